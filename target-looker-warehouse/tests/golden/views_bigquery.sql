CREATE OR REPLACE VIEW `sales`.`gl_account_levels` (`Company`, `Account`, `AccountDescription`, `StructureId`, `Level1`, `Level1Description`, `Level2`, `Level2Description`, `Level3`, `Level3Description`, `Level4`, `Level4Description`, `Level5`, `Level5Description`, `Level6`, `Level6Description`, `Level7`, `Level7Description`, `Level8`, `Level8Description`, `Level9`, `Level9Description`, `Level10`, `Level10Description`, `Depth`) AS
WITH account_structures AS (
    SELECT `Company` AS `Company`, `StructureId` AS `StructureId`, `CodePart` AS `CodePart` FROM `sales`.`account_structures` WHERE `_sdc_deleted_at` IS NULL
),
account_structure_items AS (
    SELECT `Company` AS `Company`, `StructureId` AS `StructureId`, `StructureItem` AS `StructureItem`, `StructureItemType` AS `StructureItemType`, `ItemAbove` AS `ItemAbove`, `Description` AS `Description` FROM `sales`.`account_structure_items` WHERE `_sdc_deleted_at` IS NULL
),
gl_accounts AS (
    SELECT `Company` AS `Company`, `Account` AS `Account`, `Description` AS `Description` FROM `sales`.`gl_accounts` WHERE `_sdc_deleted_at` IS NULL
),
nodes AS (
    SELECT items.`Company`, items.`StructureId`, items.`StructureItem` AS `Node`, items.`StructureItemType` AS `Type`,
        items.`ItemAbove` AS `Above`, items.`Description`
    FROM account_structure_items AS items
    JOIN account_structures AS structures
        ON structures.`Company` = items.`Company` AND structures.`StructureId` = items.`StructureId`
    WHERE structures.`CodePart` = 'A'
),
-- Who is two, four and eight places above. Whoever goes round in a circle comes to an end all the same.
two AS (
    SELECT low.`Company`, low.`StructureId`, low.`Node`, high.`Above`
    FROM nodes AS low
    JOIN nodes AS high
        ON high.`Company` = low.`Company` AND high.`StructureId` = low.`StructureId` AND high.`Node` = low.`Above`
    WHERE high.`Above` IS NOT NULL
),
four AS (
    SELECT low.`Company`, low.`StructureId`, low.`Node`, high.`Above`
    FROM two AS low
    JOIN two AS high
        ON high.`Company` = low.`Company` AND high.`StructureId` = low.`StructureId` AND high.`Node` = low.`Above`
),
eight AS (
    SELECT low.`Company`, low.`StructureId`, low.`Node`, high.`Above`
    FROM four AS low
    JOIN four AS high
        ON high.`Company` = low.`Company` AND high.`StructureId` = low.`StructureId` AND high.`Node` = low.`Above`
),
within_one AS (
    SELECT `Company`, `StructureId`, `Node` AS `Account`, `Node` AS `Ancestor`, 0 AS `Distance`
    FROM nodes
    WHERE `Type` = 'CodePartValue'
    UNION ALL
    SELECT `Company`, `StructureId`, `Node`, `Above`, 1
    FROM nodes
    WHERE `Type` = 'CodePartValue' AND `Above` IS NOT NULL
),
within_three AS (
    SELECT `Company`, `StructureId`, `Account`, `Ancestor`, `Distance` FROM within_one
    UNION ALL
    SELECT low.`Company`, low.`StructureId`, low.`Account`, two.`Above`, low.`Distance` + 2
    FROM within_one AS low
    JOIN two ON two.`Company` = low.`Company` AND two.`StructureId` = low.`StructureId` AND two.`Node` = low.`Ancestor`
),
within_seven AS (
    SELECT `Company`, `StructureId`, `Account`, `Ancestor`, `Distance` FROM within_three
    UNION ALL
    SELECT low.`Company`, low.`StructureId`, low.`Account`, four.`Above`, low.`Distance` + 4
    FROM within_three AS low
    JOIN four ON four.`Company` = low.`Company` AND four.`StructureId` = low.`StructureId` AND four.`Node` = low.`Ancestor`
),
within_fifteen AS (
    SELECT `Company`, `StructureId`, `Account`, `Ancestor`, `Distance` FROM within_seven
    UNION ALL
    SELECT low.`Company`, low.`StructureId`, low.`Account`, eight.`Above`, low.`Distance` + 8
    FROM within_seven AS low
    JOIN eight ON eight.`Company` = low.`Company` AND eight.`StructureId` = low.`StructureId` AND eight.`Node` = low.`Ancestor`
),
closest AS (
    SELECT `Company`, `StructureId`, `Account`, `Ancestor`, min(`Distance`) AS `Distance`
    FROM within_fifteen
    GROUP BY `Company`, `StructureId`, `Account`, `Ancestor`
),
closure AS (
    SELECT closest.`Company`, closest.`StructureId`, closest.`Ancestor`,
        CASE WHEN closest.`Distance` = 0 THEN coalesce(accounts.`Description`, nodes.`Description`)
            ELSE nodes.`Description` END AS `Description`,
        closest.`Account`, closest.`Distance`
    FROM closest
    JOIN nodes
        ON nodes.`Company` = closest.`Company` AND nodes.`StructureId` = closest.`StructureId`
        AND nodes.`Node` = closest.`Ancestor`
    LEFT JOIN gl_accounts AS accounts
        ON accounts.`Company` = closest.`Company` AND accounts.`Account` = closest.`Account`
),
depths AS (
    SELECT `Company`, `StructureId`, `Account`, max(`Distance`) AS `Depth`,
        max(CASE WHEN `Distance` = 0 THEN `Description` END) AS `AccountDescription`
    FROM closure
    GROUP BY `Company`, `StructureId`, `Account`
),
levels AS (
    SELECT 1 AS `Level` UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 UNION ALL SELECT 5
    UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9 UNION ALL SELECT 10
),
-- What stands right above an account fills the levels below it too; an account without anything above fills all.
places AS (
    SELECT closure.`Company`, closure.`StructureId`, closure.`Account`, depths.`AccountDescription`, depths.`Depth`,
        levels.`Level`, closure.`Ancestor`, closure.`Description`
    FROM closure
    JOIN depths
        ON depths.`Company` = closure.`Company` AND depths.`StructureId` = closure.`StructureId`
        AND depths.`Account` = closure.`Account`
    JOIN levels
        ON levels.`Level` = depths.`Depth` - closure.`Distance` + 1
        OR (closure.`Distance` <= 1 AND levels.`Level` > depths.`Depth`)
    WHERE closure.`Distance` > 0 OR depths.`Depth` = 0
)
SELECT
    `Company`, `Account`, `AccountDescription`, `StructureId`,
    max(CASE WHEN `Level` = 1 THEN `Ancestor` END) AS `Level1`,
    max(CASE WHEN `Level` = 1 THEN `Description` END) AS `Level1Description`,
    max(CASE WHEN `Level` = 2 THEN `Ancestor` END) AS `Level2`,
    max(CASE WHEN `Level` = 2 THEN `Description` END) AS `Level2Description`,
    max(CASE WHEN `Level` = 3 THEN `Ancestor` END) AS `Level3`,
    max(CASE WHEN `Level` = 3 THEN `Description` END) AS `Level3Description`,
    max(CASE WHEN `Level` = 4 THEN `Ancestor` END) AS `Level4`,
    max(CASE WHEN `Level` = 4 THEN `Description` END) AS `Level4Description`,
    max(CASE WHEN `Level` = 5 THEN `Ancestor` END) AS `Level5`,
    max(CASE WHEN `Level` = 5 THEN `Description` END) AS `Level5Description`,
    max(CASE WHEN `Level` = 6 THEN `Ancestor` END) AS `Level6`,
    max(CASE WHEN `Level` = 6 THEN `Description` END) AS `Level6Description`,
    max(CASE WHEN `Level` = 7 THEN `Ancestor` END) AS `Level7`,
    max(CASE WHEN `Level` = 7 THEN `Description` END) AS `Level7Description`,
    max(CASE WHEN `Level` = 8 THEN `Ancestor` END) AS `Level8`,
    max(CASE WHEN `Level` = 8 THEN `Description` END) AS `Level8Description`,
    max(CASE WHEN `Level` = 9 THEN `Ancestor` END) AS `Level9`,
    max(CASE WHEN `Level` = 9 THEN `Description` END) AS `Level9Description`,
    max(CASE WHEN `Level` = 10 THEN `Ancestor` END) AS `Level10`,
    max(CASE WHEN `Level` = 10 THEN `Description` END) AS `Level10Description`,
    `Depth`
FROM places
GROUP BY `Company`, `Account`, `AccountDescription`, `StructureId`, `Depth`;

CREATE OR REPLACE VIEW `sales`.`gl_account_closure` (`Company`, `StructureId`, `AncestorNode`, `AncestorDescription`, `Account`, `Distance`) AS
WITH account_structures AS (
    SELECT `Company` AS `Company`, `StructureId` AS `StructureId`, `CodePart` AS `CodePart` FROM `sales`.`account_structures` WHERE `_sdc_deleted_at` IS NULL
),
account_structure_items AS (
    SELECT `Company` AS `Company`, `StructureId` AS `StructureId`, `StructureItem` AS `StructureItem`, `StructureItemType` AS `StructureItemType`, `ItemAbove` AS `ItemAbove`, `Description` AS `Description` FROM `sales`.`account_structure_items` WHERE `_sdc_deleted_at` IS NULL
),
gl_accounts AS (
    SELECT `Company` AS `Company`, `Account` AS `Account`, `Description` AS `Description` FROM `sales`.`gl_accounts` WHERE `_sdc_deleted_at` IS NULL
),
nodes AS (
    SELECT items.`Company`, items.`StructureId`, items.`StructureItem` AS `Node`, items.`StructureItemType` AS `Type`,
        items.`ItemAbove` AS `Above`, items.`Description`
    FROM account_structure_items AS items
    JOIN account_structures AS structures
        ON structures.`Company` = items.`Company` AND structures.`StructureId` = items.`StructureId`
    WHERE structures.`CodePart` = 'A'
),
-- Who is two, four and eight places above. Whoever goes round in a circle comes to an end all the same.
two AS (
    SELECT low.`Company`, low.`StructureId`, low.`Node`, high.`Above`
    FROM nodes AS low
    JOIN nodes AS high
        ON high.`Company` = low.`Company` AND high.`StructureId` = low.`StructureId` AND high.`Node` = low.`Above`
    WHERE high.`Above` IS NOT NULL
),
four AS (
    SELECT low.`Company`, low.`StructureId`, low.`Node`, high.`Above`
    FROM two AS low
    JOIN two AS high
        ON high.`Company` = low.`Company` AND high.`StructureId` = low.`StructureId` AND high.`Node` = low.`Above`
),
eight AS (
    SELECT low.`Company`, low.`StructureId`, low.`Node`, high.`Above`
    FROM four AS low
    JOIN four AS high
        ON high.`Company` = low.`Company` AND high.`StructureId` = low.`StructureId` AND high.`Node` = low.`Above`
),
within_one AS (
    SELECT `Company`, `StructureId`, `Node` AS `Account`, `Node` AS `Ancestor`, 0 AS `Distance`
    FROM nodes
    WHERE `Type` = 'CodePartValue'
    UNION ALL
    SELECT `Company`, `StructureId`, `Node`, `Above`, 1
    FROM nodes
    WHERE `Type` = 'CodePartValue' AND `Above` IS NOT NULL
),
within_three AS (
    SELECT `Company`, `StructureId`, `Account`, `Ancestor`, `Distance` FROM within_one
    UNION ALL
    SELECT low.`Company`, low.`StructureId`, low.`Account`, two.`Above`, low.`Distance` + 2
    FROM within_one AS low
    JOIN two ON two.`Company` = low.`Company` AND two.`StructureId` = low.`StructureId` AND two.`Node` = low.`Ancestor`
),
within_seven AS (
    SELECT `Company`, `StructureId`, `Account`, `Ancestor`, `Distance` FROM within_three
    UNION ALL
    SELECT low.`Company`, low.`StructureId`, low.`Account`, four.`Above`, low.`Distance` + 4
    FROM within_three AS low
    JOIN four ON four.`Company` = low.`Company` AND four.`StructureId` = low.`StructureId` AND four.`Node` = low.`Ancestor`
),
within_fifteen AS (
    SELECT `Company`, `StructureId`, `Account`, `Ancestor`, `Distance` FROM within_seven
    UNION ALL
    SELECT low.`Company`, low.`StructureId`, low.`Account`, eight.`Above`, low.`Distance` + 8
    FROM within_seven AS low
    JOIN eight ON eight.`Company` = low.`Company` AND eight.`StructureId` = low.`StructureId` AND eight.`Node` = low.`Ancestor`
),
closest AS (
    SELECT `Company`, `StructureId`, `Account`, `Ancestor`, min(`Distance`) AS `Distance`
    FROM within_fifteen
    GROUP BY `Company`, `StructureId`, `Account`, `Ancestor`
),
closure AS (
    SELECT closest.`Company`, closest.`StructureId`, closest.`Ancestor`,
        CASE WHEN closest.`Distance` = 0 THEN coalesce(accounts.`Description`, nodes.`Description`)
            ELSE nodes.`Description` END AS `Description`,
        closest.`Account`, closest.`Distance`
    FROM closest
    JOIN nodes
        ON nodes.`Company` = closest.`Company` AND nodes.`StructureId` = closest.`StructureId`
        AND nodes.`Node` = closest.`Ancestor`
    LEFT JOIN gl_accounts AS accounts
        ON accounts.`Company` = closest.`Company` AND accounts.`Account` = closest.`Account`
)
SELECT `Company`, `StructureId`, `Ancestor` AS `AncestorNode`, `Description` AS `AncestorDescription`, `Account`, `Distance`
FROM closure;

CREATE OR REPLACE VIEW `sales`.`cost_dimensions` (`Company`, `CodePart`, `CodePartName`, `CodePartValue`, `Description`, `ParentValue`, `ValidFrom`, `ValidUntil`) AS
WITH code_part_values AS (
    SELECT `Company` AS `Company`, `CodePart` AS `CodePart`, `CodePartValue` AS `CodePartValue`, `Description` AS `Description`, `ParentValue` AS `ParentValue`, `ValidFrom` AS `ValidFrom`, `ValidUntil` AS `ValidUntil` FROM `sales`.`code_part_values` WHERE `_sdc_deleted_at` IS NULL
),
code_parts AS (
    SELECT `Company` AS `Company`, `CodePart` AS `CodePart`, `CodeName` AS `CodeName` FROM `sales`.`code_parts` WHERE `_sdc_deleted_at` IS NULL
)
SELECT
    dimensions.`Company`, dimensions.`CodePart`, parts.`CodeName` AS `CodePartName`, dimensions.`CodePartValue`,
    dimensions.`Description`, dimensions.`ParentValue`, dimensions.`ValidFrom`, dimensions.`ValidUntil`
FROM code_part_values AS dimensions
LEFT JOIN code_parts AS parts ON parts.`Company` = dimensions.`Company` AND parts.`CodePart` = dimensions.`CodePart`;

CREATE OR REPLACE VIEW `sales`.`all_journal_entries` (`Company`, `VoucherType`, `AccountingYear`, `VoucherNo`, `RowNo`, `Stage`, `AccountingPeriod`, `VoucherDate`, `Account`, `AccountDescription`, `AccountType`, `CodeB`, `CodeC`, `CodeD`, `CodeE`, `CodeF`, `CodeG`, `CodeH`, `CodeI`, `CodeJ`, `CurrencyCode`, `CurrencyAmount`, `Amount`, `Quantity`, `Text`, `PartyType`, `PartyTypeId`, `ReferenceSerie`, `ReferenceNumber`) AS
WITH journal_entries AS (
    SELECT `Company` AS `Company`, `VoucherType` AS `VoucherType`, CAST(`AccountingYear` AS INT64) AS `AccountingYear`, CAST(`VoucherNo` AS INT64) AS `VoucherNo`, CAST(`RowNo` AS INT64) AS `RowNo`, CAST(`AccountingPeriod` AS INT64) AS `AccountingPeriod`, `VoucherDate` AS `VoucherDate`, `Account` AS `Account`, `Amount` AS `Amount`, `stage` AS `stage`, `CodeB` AS `CodeB`, `CodeC` AS `CodeC`, `CodeD` AS `CodeD`, `CodeE` AS `CodeE`, `CodeF` AS `CodeF`, `CodeG` AS `CodeG`, `CodeH` AS `CodeH`, `CodeI` AS `CodeI`, `CodeJ` AS `CodeJ`, `CurrencyCode` AS `CurrencyCode`, `CurrencyAmount` AS `CurrencyAmount`, `Quantity` AS `Quantity`, `Text` AS `Text`, `PartyType` AS `PartyType`, `PartyTypeId` AS `PartyTypeId`, `ReferenceSerie` AS `ReferenceSerie`, `ReferenceNumber` AS `ReferenceNumber` FROM `sales`.`journal_entries` WHERE `_sdc_deleted_at` IS NULL
),
gl_accounts AS (
    SELECT `Company` AS `Company`, `Account` AS `Account`, `Description` AS `Description`, `AccntType` AS `AccntType` FROM `sales`.`gl_accounts` WHERE `_sdc_deleted_at` IS NULL
),
entries AS (
    SELECT * FROM journal_entries
)
SELECT
    entries.`Company`, entries.`VoucherType`, entries.`AccountingYear`, entries.`VoucherNo`, entries.`RowNo`,
    entries.`stage` AS `Stage`, entries.`AccountingPeriod`, entries.`VoucherDate`, entries.`Account`,
    accounts.`Description` AS `AccountDescription`, accounts.`AccntType` AS `AccountType`,
    entries.`CodeB`, entries.`CodeC`, entries.`CodeD`, entries.`CodeE`, entries.`CodeF`, entries.`CodeG`, entries.`CodeH`,
    entries.`CodeI`, entries.`CodeJ`, entries.`CurrencyCode`, entries.`CurrencyAmount`, entries.`Amount`, entries.`Quantity`,
    entries.`Text`, entries.`PartyType`, entries.`PartyTypeId`, entries.`ReferenceSerie`, entries.`ReferenceNumber`
FROM entries
LEFT JOIN gl_accounts AS accounts ON accounts.`Company` = entries.`Company` AND accounts.`Account` = entries.`Account`;

CREATE OR REPLACE VIEW `sales`.`all_journal_entries` (`Company`, `VoucherType`, `AccountingYear`, `VoucherNo`, `RowNo`, `Stage`, `AccountingPeriod`, `VoucherDate`, `Account`, `AccountDescription`, `AccountType`, `CodeB`, `CodeC`, `CodeD`, `CodeE`, `CodeF`, `CodeG`, `CodeH`, `CodeI`, `CodeJ`, `CurrencyCode`, `CurrencyAmount`, `Amount`, `Quantity`, `Text`, `PartyType`, `PartyTypeId`, `ReferenceSerie`, `ReferenceNumber`) AS
WITH gl_voucher_rows AS (
    SELECT `Company` AS `Company`, `VoucherType` AS `VoucherType`, CAST(`AccountingYear` AS INT64) AS `AccountingYear`, CAST(`VoucherNo` AS INT64) AS `VoucherNo`, CAST(`RowNo` AS INT64) AS `RowNo`, CAST(`AccountingPeriod` AS INT64) AS `AccountingPeriod`, `VoucherDate` AS `VoucherDate`, `Account` AS `Account`, `Amount` AS `Amount`, `CodeB` AS `CodeB`, `CodeC` AS `CodeC`, `CodeD` AS `CodeD`, `CodeE` AS `CodeE`, `CodeF` AS `CodeF`, `CodeG` AS `CodeG`, `CodeH` AS `CodeH`, `CodeI` AS `CodeI`, `CodeJ` AS `CodeJ`, `CurrencyCode` AS `CurrencyCode`, `CurrencyAmount` AS `CurrencyAmount`, `Quantity` AS `Quantity`, `Text` AS `Text`, `PartyType` AS `PartyType`, `PartyTypeId` AS `PartyTypeId`, `ReferenceSerie` AS `ReferenceSerie`, `ReferenceNumber` AS `ReferenceNumber` FROM `sales`.`gl_voucher_rows` WHERE `_sdc_deleted_at` IS NULL
),
vouchers AS (
    SELECT `Company` AS `Company`, `VoucherType` AS `VoucherType`, CAST(`AccountingYear` AS INT64) AS `AccountingYear`, CAST(`VoucherNo` AS INT64) AS `VoucherNo`, CAST(`RowNo` AS INT64) AS `RowNo`, CAST(`AccountingPeriod` AS INT64) AS `AccountingPeriod`, `VoucherDate` AS `VoucherDate`, `Account` AS `Account`, `Amount` AS `Amount`, `CodeB` AS `CodeB`, `CodeC` AS `CodeC`, `CodeD` AS `CodeD`, `CodeE` AS `CodeE`, `CodeF` AS `CodeF`, `CodeG` AS `CodeG`, `CodeH` AS `CodeH`, `CodeI` AS `CodeI`, `CodeJ` AS `CodeJ`, `CurrencyCode` AS `CurrencyCode`, `CurrencyAmount` AS `CurrencyAmount`, `Quantity` AS `Quantity`, `Text` AS `Text`, `PartyType` AS `PartyType`, `PartyTypeId` AS `PartyTypeId`, `ReferenceSerie` AS `ReferenceSerie`, `ReferenceNumber` AS `ReferenceNumber` FROM `sales`.`vouchers` WHERE `_sdc_deleted_at` IS NULL
),
gl_accounts AS (
    SELECT `Company` AS `Company`, `Account` AS `Account`, `Description` AS `Description`, `AccntType` AS `AccntType` FROM `sales`.`gl_accounts` WHERE `_sdc_deleted_at` IS NULL
),
-- A row that is being moved can be seen in both: then the general ledger has it.
entries AS (
    SELECT ledger.*, CAST('general_ledger' AS STRING) AS `stage` FROM gl_voucher_rows AS ledger
    UNION ALL
    SELECT waiting.*, CAST('hold' AS STRING) AS `stage` FROM vouchers AS waiting
    WHERE NOT EXISTS (
        SELECT 1 FROM gl_voucher_rows AS ledger
        WHERE ledger.`Company` = waiting.`Company` AND ledger.`VoucherType` = waiting.`VoucherType`
            AND ledger.`AccountingYear` = waiting.`AccountingYear` AND ledger.`VoucherNo` = waiting.`VoucherNo`
            AND ledger.`RowNo` = waiting.`RowNo`
    )
)
SELECT
    entries.`Company`, entries.`VoucherType`, entries.`AccountingYear`, entries.`VoucherNo`, entries.`RowNo`,
    entries.`stage` AS `Stage`, entries.`AccountingPeriod`, entries.`VoucherDate`, entries.`Account`,
    accounts.`Description` AS `AccountDescription`, accounts.`AccntType` AS `AccountType`,
    entries.`CodeB`, entries.`CodeC`, entries.`CodeD`, entries.`CodeE`, entries.`CodeF`, entries.`CodeG`, entries.`CodeH`,
    entries.`CodeI`, entries.`CodeJ`, entries.`CurrencyCode`, entries.`CurrencyAmount`, entries.`Amount`, entries.`Quantity`,
    entries.`Text`, entries.`PartyType`, entries.`PartyTypeId`, entries.`ReferenceSerie`, entries.`ReferenceNumber`
FROM entries
LEFT JOIN gl_accounts AS accounts ON accounts.`Company` = entries.`Company` AND accounts.`Account` = entries.`Account`;

CREATE OR REPLACE VIEW `sales`.`open_purchase_orders` (`Company`, `Contract`, `OrderNo`, `LineNo`, `ReleaseNo`, `SupplierNo`, `SupplierName`, `OrderDate`, `WantedDeliveryDate`, `CurrencyCode`, `OpenAmount`, `OpenAmountBase`) AS
WITH purchase_order_lines AS (
    SELECT `OrderNo` AS `OrderNo`, `LineNo` AS `LineNo`, `ReleaseNo` AS `ReleaseNo`, `Objstate` AS `Objstate`, `NetAmtCurr` AS `NetAmtCurr`, `CurrencyCode` AS `CurrencyCode`, `Contract` AS `Contract`, `WantedDeliveryDate` AS `WantedDeliveryDate`, `NetAmtBase` AS `NetAmtBase` FROM `sales`.`purchase_order_lines` WHERE `_sdc_deleted_at` IS NULL
),
purchase_orders AS (
    SELECT `OrderNo` AS `OrderNo`, `VendorNo` AS `VendorNo`, `Objstate` AS `Objstate`, `Company` AS `Company`, `OrderDate` AS `OrderDate` FROM `sales`.`purchase_orders` WHERE `_sdc_deleted_at` IS NULL
),
suppliers AS (
    SELECT `SupplierId` AS `SupplierId`, `Name` AS `Name` FROM `sales`.`suppliers` WHERE `_sdc_deleted_at` IS NULL
)
SELECT
    orders.`Company`, lines.`Contract`, lines.`OrderNo`, lines.`LineNo`, lines.`ReleaseNo`, orders.`VendorNo` AS `SupplierNo`,
    suppliers.`Name` AS `SupplierName`, orders.`OrderDate`, lines.`WantedDeliveryDate`, lines.`CurrencyCode`,
    lines.`NetAmtCurr` AS `OpenAmount`, lines.`NetAmtBase` AS `OpenAmountBase`
FROM purchase_order_lines AS lines
JOIN purchase_orders AS orders ON orders.`OrderNo` = lines.`OrderNo`
LEFT JOIN suppliers ON suppliers.`SupplierId` = orders.`VendorNo`
WHERE lines.`Objstate` NOT IN ('Closed', 'Cancelled') AND orders.`Objstate` NOT IN ('Closed', 'Cancelled', 'Planned');

CREATE OR REPLACE VIEW `sales`.`outstanding_supplier_invoices` (`Company`, `InvoiceId`, `InvoiceNo`, `LedgerItemSeriesId`, `LedgerItemId`, `LedgerItemVersion`, `SupplierNo`, `SupplierName`, `InvoiceDate`, `DueDate`, `CurrencyCode`, `OpenAmount`, `OpenAmountBase`, `DaysOverdue`, `AgeingBucket`) AS
WITH ledger_items AS (
    SELECT `Company` AS `Company`, `Identity` AS `Identity`, `PartyType` AS `PartyType`, `LedgerItemSeriesId` AS `LedgerItemSeriesId`, `LedgerItemId` AS `LedgerItemId`, CAST(`LedgerItemVersion` AS INT64) AS `LedgerItemVersion`, `Currency` AS `Currency`, `FullCurrAmount` AS `FullCurrAmount`, `ClearedCurrAmount` AS `ClearedCurrAmount`, `DueDate` AS `DueDate`, CAST(`InvoiceId` AS INT64) AS `InvoiceId`, `FullDomAmount` AS `FullDomAmount`, `ClearedDomAmount` AS `ClearedDomAmount` FROM `sales`.`ledger_items` WHERE `_sdc_deleted_at` IS NULL
),
supplier_invoices AS (
    SELECT `Company` AS `Company`, CAST(`InvoiceId` AS INT64) AS `InvoiceId`, `InvoiceNo` AS `InvoiceNo`, `InvoiceDate` AS `InvoiceDate` FROM `sales`.`supplier_invoices` WHERE `_sdc_deleted_at` IS NULL
),
suppliers AS (
    SELECT `SupplierId` AS `SupplierId`, `Name` AS `Name` FROM `sales`.`suppliers` WHERE `_sdc_deleted_at` IS NULL
)
SELECT
    items.`Company`, items.`InvoiceId`, coalesce(invoices.`InvoiceNo`, items.`LedgerItemId`) AS `InvoiceNo`,
    items.`LedgerItemSeriesId`, items.`LedgerItemId`, items.`LedgerItemVersion`, items.`Identity` AS `SupplierNo`,
    suppliers.`Name` AS `SupplierName`, invoices.`InvoiceDate`, items.`DueDate`, items.`Currency` AS `CurrencyCode`,
    items.`FullCurrAmount` - items.`ClearedCurrAmount` AS `OpenAmount`,
    items.`FullDomAmount` - items.`ClearedDomAmount` AS `OpenAmountBase`,
    CASE WHEN items.`DueDate` < CURRENT_DATE THEN DATE_DIFF(CURRENT_DATE, items.`DueDate`, DAY) ELSE 0 END AS `DaysOverdue`,
    CASE
        WHEN items.`DueDate` < CURRENT_DATE - 90 THEN 'over 90'
        WHEN items.`DueDate` < CURRENT_DATE - 60 THEN '61-90'
        WHEN items.`DueDate` < CURRENT_DATE - 30 THEN '31-60'
        WHEN items.`DueDate` < CURRENT_DATE THEN '1-30'
        ELSE 'not due'
    END AS `AgeingBucket`
FROM ledger_items AS items
LEFT JOIN supplier_invoices AS invoices
    ON invoices.`Company` = items.`Company` AND invoices.`InvoiceId` = items.`InvoiceId`
LEFT JOIN suppliers ON suppliers.`SupplierId` = items.`Identity`
WHERE items.`PartyType` = 'Supplier' AND items.`FullCurrAmount` <> items.`ClearedCurrAmount`;

CREATE OR REPLACE VIEW `sales`.`spend_by_cost_centre` (`Company`, `AccountingYear`, `AccountingPeriod`, `VoucherDate`, `CostCentre`, `CostCentreName`, `CurrencyCode`, `Amount`) AS
WITH gl_voucher_rows AS (
    SELECT `Company` AS `Company`, CAST(`AccountingYear` AS INT64) AS `AccountingYear`, CAST(`AccountingPeriod` AS INT64) AS `AccountingPeriod`, `VoucherDate` AS `VoucherDate`, `Account` AS `Account`, `CodeB` AS `CodeB`, `Amount` AS `Amount` FROM `sales`.`gl_voucher_rows` WHERE `_sdc_deleted_at` IS NULL
),
gl_accounts AS (
    SELECT `Company` AS `Company`, `Account` AS `Account`, `AccntType` AS `AccntType` FROM `sales`.`gl_accounts` WHERE `_sdc_deleted_at` IS NULL
),
code_part_values AS (
    SELECT `Company` AS `Company`, `CodePart` AS `CodePart`, `CodePartValue` AS `CodePartValue`, `Description` AS `Description` FROM `sales`.`code_part_values` WHERE `_sdc_deleted_at` IS NULL
),
companies AS (
    SELECT `Company` AS `Company`, `CurrencyCode` AS `CurrencyCode` FROM `sales`.`companies` WHERE `_sdc_deleted_at` IS NULL
),
ledger AS (
    SELECT * FROM gl_voucher_rows
),
costs AS (
    SELECT ledger.`Company`, ledger.`AccountingYear`, ledger.`AccountingPeriod`, ledger.`VoucherDate`,
        coalesce(ledger.`CodeB`, '') AS `CostCentre`, sum(ledger.`Amount`) AS `Amount`
    FROM ledger
    JOIN gl_accounts AS accounts ON accounts.`Company` = ledger.`Company` AND accounts.`Account` = ledger.`Account`
    WHERE accounts.`AccntType` = 'Cost'
    GROUP BY ledger.`Company`, ledger.`AccountingYear`, ledger.`AccountingPeriod`, ledger.`VoucherDate`,
        coalesce(ledger.`CodeB`, '')
)
SELECT
    costs.`Company`, costs.`AccountingYear`, costs.`AccountingPeriod`, costs.`VoucherDate`, costs.`CostCentre`,
    centres.`Description` AS `CostCentreName`, companies.`CurrencyCode`, costs.`Amount`
FROM costs
LEFT JOIN code_part_values AS centres
    ON centres.`Company` = costs.`Company` AND centres.`CodePart` = 'B' AND centres.`CodePartValue` = costs.`CostCentre`
LEFT JOIN companies ON companies.`Company` = costs.`Company`;

CREATE OR REPLACE VIEW `sales`.`spend_by_cost_centre` (`Company`, `AccountingYear`, `AccountingPeriod`, `VoucherDate`, `CostCentre`, `CostCentreName`, `CurrencyCode`, `Amount`) AS
WITH journal_entries AS (
    SELECT `Company` AS `Company`, CAST(`AccountingYear` AS INT64) AS `AccountingYear`, CAST(`AccountingPeriod` AS INT64) AS `AccountingPeriod`, `VoucherDate` AS `VoucherDate`, `Account` AS `Account`, `CodeB` AS `CodeB`, `Amount` AS `Amount`, `stage` AS `stage` FROM `sales`.`journal_entries` WHERE `_sdc_deleted_at` IS NULL
),
gl_accounts AS (
    SELECT `Company` AS `Company`, `Account` AS `Account`, `AccntType` AS `AccntType` FROM `sales`.`gl_accounts` WHERE `_sdc_deleted_at` IS NULL
),
code_part_values AS (
    SELECT `Company` AS `Company`, `CodePart` AS `CodePart`, `CodePartValue` AS `CodePartValue`, `Description` AS `Description` FROM `sales`.`code_part_values` WHERE `_sdc_deleted_at` IS NULL
),
companies AS (
    SELECT `Company` AS `Company`, `CurrencyCode` AS `CurrencyCode` FROM `sales`.`companies` WHERE `_sdc_deleted_at` IS NULL
),
ledger AS (
    SELECT * FROM journal_entries WHERE `stage` = 'general_ledger'
),
costs AS (
    SELECT ledger.`Company`, ledger.`AccountingYear`, ledger.`AccountingPeriod`, ledger.`VoucherDate`,
        coalesce(ledger.`CodeB`, '') AS `CostCentre`, sum(ledger.`Amount`) AS `Amount`
    FROM ledger
    JOIN gl_accounts AS accounts ON accounts.`Company` = ledger.`Company` AND accounts.`Account` = ledger.`Account`
    WHERE accounts.`AccntType` = 'Cost'
    GROUP BY ledger.`Company`, ledger.`AccountingYear`, ledger.`AccountingPeriod`, ledger.`VoucherDate`,
        coalesce(ledger.`CodeB`, '')
)
SELECT
    costs.`Company`, costs.`AccountingYear`, costs.`AccountingPeriod`, costs.`VoucherDate`, costs.`CostCentre`,
    centres.`Description` AS `CostCentreName`, companies.`CurrencyCode`, costs.`Amount`
FROM costs
LEFT JOIN code_part_values AS centres
    ON centres.`Company` = costs.`Company` AND centres.`CodePart` = 'B' AND centres.`CodePartValue` = costs.`CostCentre`
LEFT JOIN companies ON companies.`Company` = costs.`Company`;
