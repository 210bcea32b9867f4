-- What visitors do, by month, and who changed an order.
CREATE TABLE events (
    at      timestamptz NOT NULL,
    visitor uuid NOT NULL,
    kind    text NOT NULL,
    detail  jsonb
) PARTITION BY RANGE (at);
CREATE TABLE events_2026_01 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TABLE events_2026_02 PARTITION OF events FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
CREATE TABLE events_2026_03 PARTITION OF events FOR VALUES FROM ('2026-03-01') TO ('2026-04-01');
CREATE TABLE events_later PARTITION OF events DEFAULT;
CREATE INDEX events_at ON events (at);

CREATE TABLE order_audit (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_id bigint NOT NULL,
    was      order_status,
    became   order_status NOT NULL,
    by_role  name NOT NULL DEFAULT current_user
);

CREATE FUNCTION note_status() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO order_audit (order_id, was, became) VALUES (NEW.id, OLD.status, NEW.status);
    RETURN NEW;
END
$$;

CREATE TRIGGER order_status_changes
    AFTER UPDATE OF status ON orders
    FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status)
    EXECUTE FUNCTION note_status();

CREATE TABLE shipping_methods (
    code  text PRIMARY KEY,
    title text NOT NULL,
    price numeric(10, 2) NOT NULL
);
INSERT INTO shipping_methods VALUES
    ('post', 'By post', 4.19),
    ('courier', 'By courier', 8.99),
    ('pickup', 'Picked up', 0.00);
