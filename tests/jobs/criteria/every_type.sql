-- name: lay_tables#
CREATE TYPE mood AS ENUM ('ok', 'sad');
CREATE DOMAIN a_domain AS varchar(20);
CREATE TABLE owners (
    id int PRIMARY KEY, owner int, small smallint, whole int, big bigint, exact numeric(8,2),
    rough float8, real float4, flag boolean, word text, short varchar(20), mood mood,
    domain a_domain, at timestamptz, wall timestamp, day date, key uuid, texts text[], doc jsonb,
    olddoc json, address inet
);
CREATE TABLE things (LIKE owners);

-- fragment: columns
(id, owner, small, whole, big, exact, rough, real, flag, word, short, mood, domain, at, wall, day,
 key, texts, doc, olddoc, address)

-- fragment: row
(:id, :owner, :small, :whole, :big, :exact, :rough, :real, :flag, :word, :short,
 :mood ::text ::mood, :domain, :at, :wall, :day, :key, :texts, :doc ::text ::jsonb,
 :olddoc ::text ::json, CASE WHEN :id % 2 = 0 THEN inet '10.0.0.1' END)

-- name: add_owner!
INSERT INTO owners {columns} VALUES {row};

-- name: add_thing!
INSERT INTO things {columns} VALUES {row};

-- name: everything
SELECT t.*, o.whole AS user_whole, o.word AS user_word, o.at AS user_at
FROM things t
LEFT JOIN owners o ON o.id = t.owner;

-- name: matching
SELECT t.id FROM things t LEFT JOIN owners o ON o.id = t.owner WHERE 'the criteria' IS NOT NULL;

-- name: lay_vault#
CREATE TABLE vault (secret text);
CREATE FUNCTION open_vault(key text) RETURNS text LANGUAGE plpgsql AS
    'BEGIN RETURN (SELECT secret FROM vault WHERE secret = key); END';
CREATE FUNCTION "Odd (name)"(key text) RETURNS text LANGUAGE plpgsql AS 'BEGIN RETURN key; END';

-- name: bridge#
-- A view in front of the table, whose column comes from elsewhere and through a function.
CREATE SCHEMA bridge;
CREATE VIEW bridge.things AS
SELECT t.id, t.owner, t.whole, lower((SELECT max(secret) FROM vault)) AS word FROM public.things t;
SET search_path = bridge, public;
