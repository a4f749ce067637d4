CREATE TABLE dated(Company VARCHAR, "No" DECIMAL(38,0), "Text" VARCHAR, Changed TIMESTAMP WITH TIME ZONE, _ifs_row_version TIMESTAMP WITH TIME ZONE, _ifs_etag VARCHAR, _sdc_deleted_at TIMESTAMP WITH TIME ZONE, _sdc_table_version BIGINT);
CREATE TABLE entire(Company VARCHAR, "No" DECIMAL(38,0), "Text" VARCHAR, Changed TIMESTAMP WITH TIME ZONE, _ifs_row_version TIMESTAMP WITH TIME ZONE, _ifs_etag VARCHAR, _sdc_deleted_at TIMESTAMP WITH TIME ZONE, _sdc_table_version BIGINT);
CREATE TABLE journal_entries(Company VARCHAR, "No" DECIMAL(38,0), "Text" VARCHAR, stage VARCHAR, _ifs_row_version TIMESTAMP WITH TIME ZONE, _ifs_etag VARCHAR, _sdc_deleted_at TIMESTAMP WITH TIME ZONE, _sdc_table_version BIGINT);
CREATE TABLE orders(OrderNo VARCHAR, Amount DECIMAL(18,2), Note VARCHAR, _ifs_row_version TIMESTAMP WITH TIME ZONE, _sdc_deleted_at TIMESTAMP WITH TIME ZONE);
CREATE TABLE versioned(Company VARCHAR, "No" DECIMAL(38,0), "Text" VARCHAR, Changed TIMESTAMP WITH TIME ZONE, _ifs_row_version TIMESTAMP WITH TIME ZONE, _ifs_etag VARCHAR, _sdc_deleted_at TIMESTAMP WITH TIME ZONE, _sdc_table_version BIGINT);
CREATE TABLE _ifs_bi_marks(stream VARCHAR, batch VARCHAR, batch_rows BIGINT);

