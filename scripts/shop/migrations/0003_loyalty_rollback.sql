DROP TABLE loyalty_ledger;
ALTER TABLE customers DROP COLUMN points;
ALTER TABLE customers DROP COLUMN tier;
DROP TYPE loyalty_tier;
