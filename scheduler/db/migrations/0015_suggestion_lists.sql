-- Lists of suggestions, newest first, with any filters: each reads what it shows, however many there
-- are. For every set of filters there is an index in the order of the list.
CREATE INDEX suggestions_project_status ON lamplighter.suggestions (project_id, status, seq);
CREATE INDEX suggestions_agent_status ON lamplighter.suggestions (agent, status, seq);
CREATE INDEX suggestions_project_agent ON lamplighter.suggestions (project_id, agent, seq);
CREATE INDEX suggestions_project_agent_status
    ON lamplighter.suggestions (project_id, agent, status, seq);

-- The list without filters has one of its own, by -seq: one by seq would be taken for lists with
-- filters too, and passes over all that they leave out.
ALTER TABLE lamplighter.suggestions DROP CONSTRAINT suggestions_seq_key;
CREATE UNIQUE INDEX suggestions_all ON lamplighter.suggestions ((- seq));
