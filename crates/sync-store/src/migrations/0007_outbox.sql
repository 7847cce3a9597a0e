-- Changes of a host's own records, told in the host's own transactions. xid is the transaction's number: rows become visible
-- when their transaction commits, which is in another order than they were numbered in.
create table outbox (
    xid bigint not null default (pg_current_xact_id()::text::bigint), id integer not null primary key,
    org text not null, collection text not null, record text not null, at_ms bigint not null
);
create index outbox_order on outbox (org, collection, xid, id);
