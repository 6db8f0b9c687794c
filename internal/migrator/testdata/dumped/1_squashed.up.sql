--
-- PostgreSQL database dump
--

-- Dumped from database version 13.1

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

CREATE EXTENSION IF NOT EXISTS citext WITH SCHEMA public;

COMMENT ON EXTENSION citext IS 'text without case';

CREATE FUNCTION public.total(integer) RETURNS bigint
    LANGUAGE sql STABLE
    AS $_$ SELECT sum(cents) FROM public.charges WHERE booking_id = $1 $_$;

SET default_tablespace = '';

SET default_table_access_method = heap;

CREATE TABLE public.charges (
    id integer NOT NULL,
    booking_id integer NOT NULL,
    cents bigint DEFAULT 0 NOT NULL,
    payer public.citext
);

CREATE SEQUENCE public.charges_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE public.charges_id_seq OWNED BY public.charges.id;

ALTER TABLE ONLY public.charges ALTER COLUMN id SET DEFAULT nextval('public.charges_id_seq'::regclass);

INSERT INTO public.charges VALUES (1, 1, 100, 'A');
SELECT pg_catalog.setval('public.charges_id_seq', 1, true);

ALTER TABLE ONLY public.charges
    ADD CONSTRAINT charges_pkey PRIMARY KEY (id);

--
-- PostgreSQL database dump complete
--
