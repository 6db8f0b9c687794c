-- domain-constraint-validation
ALTER DOMAIN email ADD CONSTRAINT email_check CHECK (VALUE ~ '@');
