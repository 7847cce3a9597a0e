-- What feeds showed, by container: two containers may hold records of the same id. No body: the feed told that it is gone. A
-- container of '' is none. Scratch of a run that was under way is lost, and read again.
drop table seen;
create table seen (
    run_id bigint not null, resource text not null, remote_id text not null, container text not null, natural_key text,
    key_hash bigint, body text,
    unique (run_id, resource, remote_id, container)
);
create index seen_key on seen (run_id, key_hash) where key_hash is not null;
create index seen_gone on seen (run_id, resource, remote_id, container) where body is null;
