-- What a run remembers. Times are milliseconds since 1970 (UTC), structures are JSON as text, texts compare bytewise.

create table meta (name text not null primary key, value text not null) without rowid;

-- Fingerprints of the keys that were ever used, the newest last.
create table store_key (id text not null primary key, since_ms bigint not null);

create table connection (
    org text not null, integration text not null, revision bigint not null, body text not null,
    primary key (org, integration)
);

-- Secrets are sealed one by one and bound to organization, integration and their column.
create table credential (
    org text not null, integration text not null, generation bigint not null, key_id text not null,
    api_key blob, access blob, refresh blob, expires_ms bigint,
    vars text not null, scopes text not null, account text, dead_ms bigint,
    primary key (org, integration)
);

create table counter (
    name text not null, window_ms bigint not null, used bigint not null,
    primary key (name, window_ms)
) without rowid;

-- Rows are never deleted, so that epochs never repeat.
create table run_lease (
    org text not null, integration text not null, epoch bigint not null, owner text not null,
    since_ms bigint not null, expires_ms bigint not null,
    primary key (org, integration)
);

-- Numbers what links belong to, so that their keys are short.
create table link_set (
    id integer not null primary key, org text not null, integration text not null, account text not null,
    resource text not null,
    unique (org, integration, account, resource)
);

-- state: 0 open, 1 live, 2 gone, 3 removed. Look-ups by remote id and natural key go by hashes of 64 bits: entries come in
-- no order, and the smaller they are the fewer pages a commit writes.
create table link (
    id integer not null primary key, set_id bigint not null, local_id text not null, role text not null, container text,
    remote_id text, remote_hash bigint, state bigint not null, natural_key text, key_hash bigint, hash text, call_key text,
    has_base bigint not null
);
create unique index link_local on link (set_id, local_id, role);
create index link_remote on link (set_id, remote_hash) where remote_hash is not null;
create index link_key on link (set_id, key_hash) where key_hash is not null;

-- Apart, so that a scan of links doesn't read it. Counts only where the link says that it has one.
create table link_base (id integer not null primary key, body text not null);

-- Numbers the runs, so that the keys of what follows are short.
create table run_number (
    id integer not null primary key, org text not null, integration text not null, run text not null,
    created_ms bigint not null,
    unique (org, integration, run)
);

create table seen (
    run_id bigint not null, resource text not null, remote_id text not null, container text, natural_key text,
    key_hash bigint, body text not null,
    unique (run_id, resource, remote_id)
);
create index seen_key on seen (run_id, key_hash) where key_hash is not null;

-- What twins, repeats and the plan's hash are computed from; the long operations are apart. Rows of a plan are numbered by
-- run_id * 2^40 + seq, so that a row is found without an index.
create table plan_op (
    id integer not null primary key, resource text not null, local_id text not null, role text not null,
    digest text not null, natural_key text, hash text
);
create table plan_body (id integer not null primary key, operation text not null);

-- What parts are made of; many share one.
create table plan_spec (
    run_id bigint not null, id bigint not null, resource text not null, stage bigint not null, body text not null,
    primary key (run_id, id)
) without rowid;

-- The parts of some operations with their states, packed, since a call changes hundreds at once; numbered as the first.
create table plan_states (id integer not null primary key, last_id bigint not null, body blob not null);

-- The parts of one group among some operations, in order, packed.
create table plan_group (
    run_id bigint not null, resource text not null, stage bigint not null, call_group text not null,
    first_seq bigint not null, last_seq bigint not null, body blob not null,
    primary key (run_id, resource, stage, call_group, first_seq)
) without rowid;

create table open_call (
    org text not null, integration text not null, call_key text not null, opened_ms bigint not null, body text not null,
    primary key (org, integration, call_key)
);

create table stream_cursor (
    org text not null, integration text not null, stream text not null, position text not null, filter text not null,
    at_ms bigint not null,
    primary key (org, integration, stream)
);

create table item (
    org text not null, integration text not null, resource text not null, local_id text not null,
    kind text not null, code text not null, outcome text not null, natural_key text, hash text, run text not null,
    since_ms bigint not null, attempts bigint not null, due_ms bigint, needs_grant text, question text,
    primary key (org, integration, resource, local_id)
) without rowid;
create index item_due on item (org, integration, resource, due_ms) where due_ms is not null;
create index item_grant on item (org, integration, resource, needs_grant) where needs_grant is not null;
create index item_key on item (org, integration, resource, natural_key) where natural_key is not null;
create index item_question on item (org, integration, question) where question is not null;

create table run (
    org text not null, integration text not null, run text not null, started_ms bigint not null, body text not null,
    primary key (org, integration, run)
);
create index run_started on run (org, integration, started_ms);

create table outcome (
    id integer not null primary key, run_id bigint not null, resource text not null, local_id text, remote_id text,
    at_ms bigint not null, body text not null
);
create index outcome_run on outcome (run_id);
create index outcome_local on outcome (local_id) where local_id is not null;

create table question (
    org text not null, integration text not null, id text not null, asked_ms bigint not null, body text not null,
    answer text,
    primary key (org, integration, id)
);

-- Outlives links, accounts and erasure.
create table suppression (
    org text not null, channel text not null, key_id text not null, hash blob not null, at_ms bigint not null,
    state text not null,
    primary key (org, channel, key_id, hash)
) without rowid;

create table consent_fact (
    id integer not null primary key, org text not null, integration text not null, fact text not null,
    local_id text, body text not null, taken_ms bigint,
    unique (org, integration, fact)
);
create index consent_fact_pending on consent_fact (org, integration, id) where taken_ms is null;

create table digest_claim (
    org text not null, day text not null,
    primary key (org, day)
) without rowid;
