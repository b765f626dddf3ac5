-- Lists of suggestions with several filters, newest first: each reads what it shows, however many
-- suggestions there are.
CREATE INDEX suggestions_project_status ON lamplighter.suggestions (project_id, status, seq);
CREATE INDEX suggestions_agent_status ON lamplighter.suggestions (agent, status, seq);
CREATE INDEX suggestions_project_agent ON lamplighter.suggestions (project_id, agent, seq);
CREATE INDEX suggestions_project_agent_status
    ON lamplighter.suggestions (project_id, agent, status, seq);
