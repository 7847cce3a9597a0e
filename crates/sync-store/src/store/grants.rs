//! Grants, sealed, and counters.

use async_trait::async_trait;
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use sync_core::{AccountId, CounterKey, Counters, Credentials, Error, ErrorKind, Grant, Grants, Result, Scope, Swapped};

use super::{
    SqlStore,
    sql::{from_int, from_json, timestamp, to_int, to_json},
};
use crate::db::{Conn, On, Row, query};
use crate::{
    StoreKey,
    error::{corrupt, database},
    seal::Sealer,
};

macro_rules! columns {
    () => {
        "generation, key_id, api_key, access, refresh, expires_ms, vars, scopes, account, dead_ms"
    };
}

#[async_trait]
impl Grants for SqlStore {
    async fn load(&self, scope: &Scope) -> Result<Option<Grant>> {
        load(self.readers(), self.key(), scope).await
    }

    async fn swap(&self, scope: &Scope, expected: Option<u64>, grant: Option<Grant>) -> Result<Swapped> {
        let mut tx = self.begin().await?;
        let stored = query("select generation from credential where org = $1 and integration = $2")
            .bind(scope.organization.as_str())
            .bind(scope.integration.as_str())
            .for_update()
            .fetch_optional(&mut *tx)
            .await
            .map_err(database)?;
        let stored = stored.map(|row| from_int::<u64>("grant", row.int(0)?)).transpose()?;
        if stored != expected {
            return Ok(Swapped::Lost(load(&mut *tx, self.key(), scope).await?.map(Box::new)));
        }
        match grant {
            // Where there was none, another one may have come since: nothing that isn't there can be locked.
            Some(grant) if stored.is_none() && !put(&mut tx, self.key(), scope, &grant, NEW).await? => {
                return Ok(Swapped::Lost(load(&mut *tx, self.key(), scope).await?.map(Box::new)));
            }
            Some(_) if stored.is_none() => {}
            Some(grant) => drop(put(&mut tx, self.key(), scope, &grant, OVER).await?),
            None => {
                let delete = query("delete from credential where org = $1 and integration = $2");
                let delete = delete.bind(scope.organization.as_str()).bind(scope.integration.as_str());
                delete.execute(&mut tx).await.map_err(database)?;
            }
        }
        tx.commit().await?;
        Ok(Swapped::Stored)
    }
}

async fn load<'c>(from: impl Into<On<'c>> + Send, key: &StoreKey, scope: &Scope) -> Result<Option<Grant>> {
    let query = query(concat!("select ", columns!(), " from credential where org = $1 and integration = $2"))
        .bind(scope.organization.as_str())
        .bind(scope.integration.as_str());
    query.fetch_optional(from).await.map_err(database)?.map(|row| grant(&row, key, scope)).transpose()
}

fn grant(row: &Row, key: &StoreKey, scope: &Scope) -> Result<Grant> {
    let (sealer, key_id) = (Sealer::new(key, scope), row.text(1)?);
    let secret = |field: &str, i: usize| -> Result<Option<SecretString>> {
        let sealed = row.opt_bytes(i)?;
        sealed.map(|sealed| Ok(SecretString::from(sealer.unseal(field, key_id, &sealed)?))).transpose()
    };
    let credentials = match (secret("api_key", 2)?, secret("access", 3)?) {
        (Some(key), None) => Credentials::ApiKey(key),
        (None, Some(access)) => Credentials::Token {
            access,
            refresh: secret("refresh", 4)?,
            expires_at: row.opt_int(5)?.map(timestamp).transpose()?,
        },
        _ => return Err(corrupt("grant")),
    };
    Ok(Grant {
        generation: from_int("grant", row.int(0)?)?,
        credentials,
        vars: from_json("grant", row.text(6)?)?,
        scopes: from_json("grant", row.text(7)?)?,
        account: row.opt_text(8)?.map(AccountId::from),
        dead_since: row.opt_int(9)?.map(timestamp).transpose()?,
    })
}

macro_rules! insert {
    ($conflict:literal) => {
        concat!(
            "insert into credential (org, integration, ",
            columns!(),
            ") values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) on conflict (org, integration) do ",
            $conflict
        )
    };
}

/// Stores a grant where there is none.
const NEW: &str = insert!("nothing");
/// Stores a grant in the place of another one.
const OVER: &str = insert!(
    "update set generation = excluded.generation, key_id = excluded.key_id, api_key = excluded.api_key, \
     access = excluded.access, refresh = excluded.refresh, expires_ms = excluded.expires_ms, vars = excluded.vars, \
     scopes = excluded.scopes, account = excluded.account, dead_ms = excluded.dead_ms"
);

/// True where it was stored.
async fn put(conn: &mut Conn, key: &StoreKey, scope: &Scope, grant: &Grant, sql: &'static str) -> Result<bool> {
    let sealer = Sealer::new(key, scope);
    let seal = |field: &str, secret: Option<&SecretString>| {
        secret.map(|secret| sealer.seal(field, secret.expose_secret())).transpose()
    };
    let (api_key, access, refresh, expires_at) = match &grant.credentials {
        Credentials::ApiKey(key) => (Some(key), None, None, None),
        Credentials::Token { access, refresh, expires_at } => (None, Some(access), refresh.as_ref(), *expires_at),
        _ => return Err(Error::new(ErrorKind::Unsupported, "this store doesn't know this sort of credentials")),
    };
    let query = query(sql)
        .bind(scope.organization.as_str())
        .bind(scope.integration.as_str())
        .bind(to_int(grant.generation))
        .bind(key.ids().next().unwrap_or_default())
        .bind(seal("api_key", api_key)?)
        .bind(seal("access", access)?)
        .bind(seal("refresh", refresh)?)
        .bind(expires_at.map(Timestamp::as_millisecond))
        .bind(to_json(&grant.vars)?)
        .bind(to_json(&grant.scopes)?)
        .bind(grant.account.as_ref().map(AccountId::as_str))
        .bind(grant.dead_since.map(Timestamp::as_millisecond));
    Ok(query.execute(conn).await.map_err(database)? == 1)
}

/// Seals everything that an older key sealed with the newest.
pub(super) async fn reseal(conn: &mut Conn, key: &StoreKey) -> Result<u64> {
    let old = query("select org, integration from credential where key_id <> $1")
        .bind(key.ids().next().unwrap_or_default())
        .for_update()
        .fetch_all(&mut *conn)
        .await
        .map_err(database)?;
    for row in &old {
        let scope = Scope::new(row.text(0)?, row.text(1)?);
        if let Some(grant) = load(&mut *conn, key, &scope).await? {
            put(conn, key, &scope, &grant, OVER).await?;
        }
    }
    Ok(old.len() as u64)
}

#[async_trait]
impl Counters for SqlStore {
    async fn take(&self, key: &CounterKey, window: Timestamp, amount: u32, limit: u32) -> Result<(u32, bool)> {
        const TAKE: &str = "insert into counter (name, window_ms, used) select $1, $2, $3 where $3 <= $4 \
            on conflict (name, window_ms) do update set used = counter.used + $3 where counter.used + $3 <= $4 \
            returning used";
        let mut tx = self.begin().await?;
        let take = query(TAKE).bind(key.0.as_str()).bind(window.as_millisecond());
        let taken = take.bind(amount).bind(limit).fetch_optional(&mut *tx).await.map_err(database)?;
        if let Some(row) = taken {
            tx.commit().await?;
            return Ok((from_int("counter", row.int(0)?)?, true));
        }
        let used = query("select used from counter where name = $1 and window_ms = $2")
            .bind(key.0.as_str())
            .bind(window.as_millisecond())
            .fetch_optional(&mut *tx)
            .await
            .map_err(database)?;
        Ok((used.map(|row| from_int("counter", row.int(0)?)).transpose()?.unwrap_or(0), false))
    }

    async fn correct(&self, key: &CounterKey, window: Timestamp, used: u32) -> Result<()> {
        const CORRECT: &str = "insert into counter (name, window_ms, used) values ($1, $2, $3) \
            on conflict (name, window_ms) do update set used = excluded.used where excluded.used > counter.used";
        let mut tx = self.begin().await?;
        let query = query(CORRECT).bind(key.0.as_str()).bind(window.as_millisecond()).bind(used);
        query.execute(&mut tx).await.map_err(database)?;
        tx.commit().await
    }
}
