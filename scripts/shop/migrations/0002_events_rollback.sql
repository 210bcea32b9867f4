DROP TABLE shipping_methods;
DROP TRIGGER order_status_changes ON orders;
DROP FUNCTION note_status();
DROP TABLE order_audit;
DROP TABLE events;
