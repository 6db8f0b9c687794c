-- data-loss
DROP SCHEMA archive CASCADE;
