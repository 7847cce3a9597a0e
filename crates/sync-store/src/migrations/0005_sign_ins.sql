-- What signing in and watching leave behind.

-- OAuth clients that organizations brought themselves.
create table oauth_client (
    org text not null, integration text not null, client_id text not null, key_id text not null, secret blob not null,
    primary key (org, integration)
) without rowid;

-- Sign-ins that wait for a person to come back. The id is a hash of the state.
create table pending_sign_in (
    id text not null primary key, org text not null, integration text not null, key_id text not null, body blob not null,
    expires_ms bigint not null, used bigint not null
) without rowid;

-- Push channels. watching is null while nobody knows whether the provider started it.
create table push_channel (
    integration text not null, id text not null, org text not null, feed text not null, container text not null,
    generation bigint not null, url text not null, key_id text not null, secret blob not null, watching text,
    since_ms bigint not null,
    primary key (integration, id)
) without rowid;
create unique index push_channel_place on push_channel (org, integration, feed, container, generation);

-- Feeds that have news. marks rises with each mark.
create table moved (
    org text not null, integration text not null, feed text not null, since_ms bigint not null, marks bigint not null,
    primary key (org, integration, feed)
) without rowid;
