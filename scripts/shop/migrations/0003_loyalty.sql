-- A loyalty programme: tiers, points, and a ledger of how they came about.
CREATE TYPE loyalty_tier AS ENUM ('bronze', 'silver', 'gold');

ALTER TABLE customers ADD COLUMN tier loyalty_tier NOT NULL DEFAULT 'bronze';
ALTER TABLE customers ADD COLUMN points integer NOT NULL DEFAULT 0;

CREATE TABLE loyalty_ledger (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer_id bigint NOT NULL REFERENCES customers,
    points      integer NOT NULL CHECK (points <> 0),
    reason      text NOT NULL,
    at          timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX loyalty_ledger_customer_id ON loyalty_ledger (customer_id);

-- Ten points for everybody who has ever ordered.
UPDATE customers c SET points = 10
WHERE EXISTS (SELECT FROM orders o WHERE o.customer_id = c.id);
