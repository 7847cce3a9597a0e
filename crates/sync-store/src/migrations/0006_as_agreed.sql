-- A body of '': the record is there and says what its link's base says, so that nothing of it is kept. What is kept is found
-- apart, since there may be a million of the others.
create index seen_body on seen (run_id, resource, remote_id) where body <> '';
