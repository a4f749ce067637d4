SELECT "Company", "StructureId", "Ancestor" AS "AncestorNode", "Description" AS "AncestorDescription", "Account", "Distance"
FROM closure
