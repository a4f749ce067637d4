depths AS (
    SELECT "Company", "StructureId", "Account", max("Distance") AS "Depth",
        max(CASE WHEN "Distance" = 0 THEN "Description" END) AS "AccountDescription"
    FROM closure
    GROUP BY "Company", "StructureId", "Account"
),
levels AS (
    SELECT 1 AS "Level" UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 UNION ALL SELECT 5
    UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9 UNION ALL SELECT 10
),
-- What stands right above an account fills the levels below it too; an account without anything above fills all.
places AS (
    SELECT closure."Company", closure."StructureId", closure."Account", depths."AccountDescription", depths."Depth",
        levels."Level", closure."Ancestor", closure."Description"
    FROM closure
    JOIN depths
        ON depths."Company" = closure."Company" AND depths."StructureId" = closure."StructureId"
        AND depths."Account" = closure."Account"
    JOIN levels
        ON levels."Level" = depths."Depth" - closure."Distance" + 1
        OR (closure."Distance" <= 1 AND levels."Level" > depths."Depth")
    WHERE closure."Distance" > 0 OR depths."Depth" = 0
)
SELECT
    "Company", "Account", "AccountDescription", "StructureId",
    max(CASE WHEN "Level" = 1 THEN "Ancestor" END) AS "Level1",
    max(CASE WHEN "Level" = 1 THEN "Description" END) AS "Level1Description",
    max(CASE WHEN "Level" = 2 THEN "Ancestor" END) AS "Level2",
    max(CASE WHEN "Level" = 2 THEN "Description" END) AS "Level2Description",
    max(CASE WHEN "Level" = 3 THEN "Ancestor" END) AS "Level3",
    max(CASE WHEN "Level" = 3 THEN "Description" END) AS "Level3Description",
    max(CASE WHEN "Level" = 4 THEN "Ancestor" END) AS "Level4",
    max(CASE WHEN "Level" = 4 THEN "Description" END) AS "Level4Description",
    max(CASE WHEN "Level" = 5 THEN "Ancestor" END) AS "Level5",
    max(CASE WHEN "Level" = 5 THEN "Description" END) AS "Level5Description",
    max(CASE WHEN "Level" = 6 THEN "Ancestor" END) AS "Level6",
    max(CASE WHEN "Level" = 6 THEN "Description" END) AS "Level6Description",
    max(CASE WHEN "Level" = 7 THEN "Ancestor" END) AS "Level7",
    max(CASE WHEN "Level" = 7 THEN "Description" END) AS "Level7Description",
    max(CASE WHEN "Level" = 8 THEN "Ancestor" END) AS "Level8",
    max(CASE WHEN "Level" = 8 THEN "Description" END) AS "Level8Description",
    max(CASE WHEN "Level" = 9 THEN "Ancestor" END) AS "Level9",
    max(CASE WHEN "Level" = 9 THEN "Description" END) AS "Level9Description",
    max(CASE WHEN "Level" = 10 THEN "Ancestor" END) AS "Level10",
    max(CASE WHEN "Level" = 10 THEN "Description" END) AS "Level10Description",
    "Depth"
FROM places
GROUP BY "Company", "Account", "AccountDescription", "StructureId", "Depth"
