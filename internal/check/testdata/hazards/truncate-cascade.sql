-- truncate-cascade
TRUNCATE users CASCADE;
