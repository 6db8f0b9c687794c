-- A database for each file in chart/ci, named after it: what one has migrated leaves the next nothing to do.
CREATE ROLE booking LOGIN PASSWORD 'p@ss';
CREATE ROLE booking_owner LOGIN PASSWORD E'p@ss:/?#%&"\'\\ $(PGHOST) $$ {{ .Release.Name }} ü';
CREATE DATABASE url OWNER booking;
CREATE DATABASE parts OWNER booking_owner;
CREATE DATABASE "existing-secret-url" OWNER booking;
CREATE DATABASE "existing-secret-parts" OWNER booking;
CREATE DATABASE "existing-configmap" OWNER booking;
CREATE DATABASE "image-volume" OWNER booking;
CREATE DATABASE "own-environment" OWNER booking;
CREATE DATABASE everything OWNER booking;
CREATE DATABASE job OWNER booking;
CREATE DATABASE argocd OWNER booking;
CREATE DATABASE "part-of-release" OWNER booking;
CREATE DATABASE events OWNER booking;
CREATE DATABASE notify OWNER booking;
CREATE ROLE booking_schema;
GRANT booking_schema TO booking;
CREATE DATABASE "password-file" OWNER booking_schema;
