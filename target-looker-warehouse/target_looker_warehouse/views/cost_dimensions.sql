SELECT
    dimensions."Company", dimensions."CodePart", parts."CodeName" AS "CodePartName", dimensions."CodePartValue",
    dimensions."Description", dimensions."ParentValue", dimensions."ValidFrom", dimensions."ValidUntil"
FROM code_part_values AS dimensions
LEFT JOIN code_parts AS parts ON parts."Company" = dimensions."Company" AND parts."CodePart" = dimensions."CodePart"
