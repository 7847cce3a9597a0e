-- Records of hosts without tables of their own.

-- seq rises with each change of a record: the change feed.
create table record (
    org text not null, collection text not null, id text not null, seq bigint not null, version bigint not null,
    deleted bigint not null, fields text not null,
    primary key (org, collection, id)
) without rowid;
create unique index record_by_seq on record (org, collection, seq);

create table record_seq (org text not null primary key, last bigint not null) without rowid;

-- What was written already, so that the same operation again writes nothing.
create table record_write (
    org text not null, collection text not null, operation text not null, receipt text not null,
    primary key (org, collection, operation)
) without rowid;

create table record_fact (
    org text not null, fact text not null, body text not null,
    primary key (org, fact)
) without rowid;
