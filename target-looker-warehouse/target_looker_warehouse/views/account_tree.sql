nodes AS (
    SELECT items."Company", items."StructureId", items."StructureItem" AS "Node", items."StructureItemType" AS "Type",
        items."ItemAbove" AS "Above", items."Description"
    FROM account_structure_items AS items
    JOIN account_structures AS structures
        ON structures."Company" = items."Company" AND structures."StructureId" = items."StructureId"
    WHERE structures."CodePart" = 'A'
),
-- Who is two, four and eight places above. Whoever goes round in a circle comes to an end all the same.
two AS (
    SELECT low."Company", low."StructureId", low."Node", high."Above"
    FROM nodes AS low
    JOIN nodes AS high
        ON high."Company" = low."Company" AND high."StructureId" = low."StructureId" AND high."Node" = low."Above"
    WHERE high."Above" IS NOT NULL
),
four AS (
    SELECT low."Company", low."StructureId", low."Node", high."Above"
    FROM two AS low
    JOIN two AS high
        ON high."Company" = low."Company" AND high."StructureId" = low."StructureId" AND high."Node" = low."Above"
),
eight AS (
    SELECT low."Company", low."StructureId", low."Node", high."Above"
    FROM four AS low
    JOIN four AS high
        ON high."Company" = low."Company" AND high."StructureId" = low."StructureId" AND high."Node" = low."Above"
),
within_one AS (
    SELECT "Company", "StructureId", "Node" AS "Account", "Node" AS "Ancestor", 0 AS "Distance"
    FROM nodes
    WHERE "Type" = 'CodePartValue'
    UNION ALL
    SELECT "Company", "StructureId", "Node", "Above", 1
    FROM nodes
    WHERE "Type" = 'CodePartValue' AND "Above" IS NOT NULL
),
within_three AS (
    SELECT "Company", "StructureId", "Account", "Ancestor", "Distance" FROM within_one
    UNION ALL
    SELECT low."Company", low."StructureId", low."Account", two."Above", low."Distance" + 2
    FROM within_one AS low
    JOIN two ON two."Company" = low."Company" AND two."StructureId" = low."StructureId" AND two."Node" = low."Ancestor"
),
within_seven AS (
    SELECT "Company", "StructureId", "Account", "Ancestor", "Distance" FROM within_three
    UNION ALL
    SELECT low."Company", low."StructureId", low."Account", four."Above", low."Distance" + 4
    FROM within_three AS low
    JOIN four ON four."Company" = low."Company" AND four."StructureId" = low."StructureId" AND four."Node" = low."Ancestor"
),
within_fifteen AS (
    SELECT "Company", "StructureId", "Account", "Ancestor", "Distance" FROM within_seven
    UNION ALL
    SELECT low."Company", low."StructureId", low."Account", eight."Above", low."Distance" + 8
    FROM within_seven AS low
    JOIN eight ON eight."Company" = low."Company" AND eight."StructureId" = low."StructureId" AND eight."Node" = low."Ancestor"
),
closest AS (
    SELECT "Company", "StructureId", "Account", "Ancestor", min("Distance") AS "Distance"
    FROM within_fifteen
    GROUP BY "Company", "StructureId", "Account", "Ancestor"
),
closure AS (
    SELECT closest."Company", closest."StructureId", closest."Ancestor",
        CASE WHEN closest."Distance" = 0 THEN coalesce(accounts."Description", nodes."Description")
            ELSE nodes."Description" END AS "Description",
        closest."Account", closest."Distance"
    FROM closest
    JOIN nodes
        ON nodes."Company" = closest."Company" AND nodes."StructureId" = closest."StructureId"
        AND nodes."Node" = closest."Ancestor"
    LEFT JOIN gl_accounts AS accounts
        ON accounts."Company" = closest."Company" AND accounts."Account" = closest."Account"
)
