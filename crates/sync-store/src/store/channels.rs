//! Push channels, their secrets sealed, and marks of feeds that have news.

use async_trait::async_trait;
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use sync_core::{ContainerId, IntegrationId, Result, Scope};
use sync_engine::{ChannelRow, Moved, PushChannels};

use super::{
    SqlStore,
    sql::{from_int, from_json, timestamp, to_int, to_json},
};
use crate::db::{Conn, Row, query};
use crate::{StoreKey, error::database, seal::Sealer};

macro_rules! select {
    ($where:literal) => {
        concat!(
            "select id, org, integration, feed, container, generation, url, key_id, secret, watching, since_ms \
             from push_channel where ",
            $where
        )
    };
}

/// The field that a channel's secret is bound to.
fn secret_of(id: &str) -> String {
    format!("push channel {id}")
}

#[async_trait]
impl PushChannels for SqlStore {
    async fn put_channel(&self, row: &ChannelRow) -> Result<bool> {
        let mut tx = self.begin().await?;
        let is_stored = put(&mut tx, self.key(), row).await?;
        if is_stored {
            tx.commit().await?;
        }
        Ok(is_stored)
    }

    async fn channels(&self, scope: &Scope) -> Result<Vec<ChannelRow>> {
        const OF_SCOPE: &str = select!("org = $1 and integration = $2 order by feed, container, generation");
        let query = query(OF_SCOPE).bind(scope.organization.as_str()).bind(scope.integration.as_str());
        let rows = query.fetch_all(self.readers()).await.map_err(database)?;
        rows.iter().map(|row| channel(row, self.key())).collect()
    }

    async fn channel(&self, integration: &IntegrationId, id: &str) -> Result<Option<ChannelRow>> {
        const BY_ID: &str = select!("integration = $1 and id = $2");
        let query = query(BY_ID).bind(integration.as_str()).bind(id);
        let row = query.fetch_optional(self.readers()).await.map_err(database)?;
        row.map(|row| channel(&row, self.key())).transpose()
    }

    async fn drop_channel(&self, scope: &Scope, id: &str) -> Result<()> {
        let mut tx = self.begin().await?;
        let delete = query("delete from push_channel where integration = $1 and id = $2 and org = $3");
        let delete = delete.bind(scope.integration.as_str()).bind(id).bind(scope.organization.as_str());
        delete.execute(&mut tx).await.map_err(database)?;
        tx.commit().await
    }

    async fn mark_moved(&self, scope: &Scope, feed: &str, at: Timestamp) -> Result<()> {
        const MARK: &str = "insert into moved (org, integration, feed, since_ms, marks) values ($1, $2, $3, $4, 1) \
            on conflict (org, integration, feed) do update set marks = moved.marks + 1";
        let mut tx = self.begin().await?;
        let mark = query(MARK)
            .bind(scope.organization.as_str())
            .bind(scope.integration.as_str())
            .bind(feed)
            .bind(at.as_millisecond());
        mark.execute(&mut tx).await.map_err(database)?;
        tx.commit().await
    }

    async fn moved(&self, after: Option<(&Scope, &str)>, limit: usize) -> Result<Vec<Moved>> {
        const PAGE: &str = "select org, integration, feed, since_ms, marks from moved \
            where $1 is null or (org, integration, feed) > ($1, $2, $3) order by org, integration, feed limit $4";
        let query = query(PAGE)
            .bind(after.map(|(scope, _)| scope.organization.as_str()))
            .bind(after.map(|(scope, _)| scope.integration.as_str()))
            .bind(after.map(|(_, feed)| feed))
            .bind(to_int(limit));
        let rows = query.fetch_all(self.readers()).await.map_err(database)?;
        rows.iter()
            .map(|row| {
                Ok(Moved {
                    scope: Scope::new(row.text(0)?, row.text(1)?),
                    feed: row.text(2)?.to_owned(),
                    since: timestamp(row.int(3)?)?,
                    marks: from_int("mark", row.int(4)?)?,
                })
            })
            .collect()
    }

    async fn clear_moved(&self, read: &Moved) -> Result<()> {
        const CLEAR: &str = "delete from moved where org = $1 and integration = $2 and feed = $3 and marks = $4";
        let mut tx = self.begin().await?;
        let clear = query(CLEAR)
            .bind(read.scope.organization.as_str())
            .bind(read.scope.integration.as_str())
            .bind(read.feed.as_str())
            .bind(to_int(read.marks));
        clear.execute(&mut tx).await.map_err(database)?;
        tx.commit().await
    }
}

/// Stores a channel, unless another one has its place.
async fn put(conn: &mut Conn, key: &StoreKey, row: &ChannelRow) -> Result<bool> {
    const PUT: &str = "insert into push_channel (id, org, integration, feed, container, generation, url, key_id, secret, \
        watching, since_ms) select $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11 where not exists \
        (select 1 from push_channel where org = $2 and integration = $3 and feed = $4 and container = $5 \
        and generation = $6 and id <> $1) \
        on conflict (integration, id) do update set url = excluded.url, key_id = excluded.key_id, \
        secret = excluded.secret, watching = excluded.watching, since_ms = excluded.since_ms \
        where push_channel.org = excluded.org";
    let secret = Sealer::new(key, &row.scope).seal(&secret_of(&row.id), row.secret.expose_secret())?;
    let query = query(PUT)
        .bind(row.id.as_str())
        .bind(row.scope.organization.as_str())
        .bind(row.scope.integration.as_str())
        .bind(row.feed.as_str())
        .bind(row.container.as_ref().map_or("", ContainerId::as_str))
        .bind(to_int(row.generation))
        .bind(row.url.as_str())
        .bind(key.ids().next().unwrap_or_default())
        .bind(secret)
        .bind(row.watching.as_ref().map(to_json).transpose()?)
        .bind(row.since.as_millisecond());
    match query.execute(conn).await {
        Ok(n_rows) => Ok(n_rows == 1),
        // Another one took the place at this very moment.
        Err(sqlx::Error::Database(error)) if error.is_unique_violation() => Ok(false),
        Err(error) => Err(database(error)),
    }
}

fn channel(row: &Row, key: &StoreKey) -> Result<ChannelRow> {
    let scope = Scope::new(row.text(1)?, row.text(2)?);
    let id = row.text(0)?.to_owned();
    let secret = Sealer::new(key, &scope).unseal(&secret_of(&id), row.text(7)?, row.bytes(8)?)?;
    let container = row.text(4)?;
    Ok(ChannelRow {
        id,
        feed: row.text(3)?.to_owned(),
        container: (!container.is_empty()).then(|| container.into()),
        generation: from_int("channel", row.int(5)?)?,
        url: row.text(6)?.to_owned(),
        secret: SecretString::from(secret),
        watching: row.opt_text(9)?.map(|text| from_json("channel", text)).transpose()?,
        since: timestamp(row.int(10)?)?,
        scope,
    })
}

/// Seals with the newest key what an older one sealed.
pub(super) async fn reseal(conn: &mut Conn, key: &StoreKey) -> Result<u64> {
    const OLD: &str = select!("key_id <> $1");
    let newest = key.ids().next().unwrap_or_default();
    let old = query(OLD).bind(newest).for_update().fetch_all(&mut *conn).await.map_err(database)?;
    for row in &old {
        put(conn, key, &channel(row, key)?).await?;
    }
    Ok(old.len() as u64)
}
