-- Records that are there and say what their links' bases say: a bit for each link, by its number. A million rows that come in no
-- order cost more than all else of a full pass. Rows are numbered by run_id * 2^40 + place. Scratch that was under way is lost,
-- and read again.
delete from seen where body = '';
drop index seen_body;
create index seen_body on seen (run_id, resource, remote_id) where body is not null;
create table as_agreed (id integer not null primary key, bits blob not null);
