//! OAuth clients of organizations' own and sign-ins that wait for a person, sealed.

use async_trait::async_trait;
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use sync_core::{OwnClient, PendingSignIn, Result, Scope, SignIns};

use super::{SqlStore, sql::timestamp};
use crate::db::{Conn, On, query};
use crate::{StoreKey, error::database, seal::Sealer};

/// The field that an OAuth client's secret is bound to.
const SECRET: &str = "oauth client";

/// The field that a sign-in is bound to.
fn body_of(id: &str) -> String {
    format!("sign-in {id}")
}

#[async_trait]
impl SignIns for SqlStore {
    async fn own_client(&self, scope: &Scope) -> Result<Option<OwnClient>> {
        own_client(self.readers(), self.key(), scope).await
    }

    async fn put_own_client(&self, scope: &Scope, client: Option<&OwnClient>) -> Result<()> {
        let mut tx = self.begin().await?;
        match client {
            Some(client) => put_own_client(&mut tx, self.key(), scope, client).await?,
            None => {
                let delete = query("delete from oauth_client where org = $1 and integration = $2");
                let delete = delete.bind(scope.organization.as_str()).bind(scope.integration.as_str());
                delete.execute(&mut tx).await.map_err(database)?;
            }
        }
        tx.commit().await
    }

    async fn put_sign_in(&self, pending: &PendingSignIn, forget_before: Timestamp) -> Result<()> {
        const PUT: &str = "insert into pending_sign_in (id, org, integration, key_id, body, expires_ms, used) \
            values ($1, $2, $3, $4, $5, $6, $7) on conflict (id) do update set org = excluded.org, \
            integration = excluded.integration, key_id = excluded.key_id, body = excluded.body, \
            expires_ms = excluded.expires_ms, used = excluded.used";
        let body = Sealer::new(self.key(), &pending.scope).seal(&body_of(&pending.id), pending.body.expose_secret())?;
        let mut tx = self.begin().await?;
        let forget = query("delete from pending_sign_in where expires_ms < $1").bind(forget_before.as_millisecond());
        forget.execute(&mut tx).await.map_err(database)?;
        let put = query(PUT)
            .bind(pending.id.as_str())
            .bind(pending.scope.organization.as_str())
            .bind(pending.scope.integration.as_str())
            .bind(self.key().ids().next().unwrap_or_default())
            .bind(body)
            .bind(pending.expires_at.as_millisecond())
            .bind(pending.is_used);
        put.execute(&mut tx).await.map_err(database)?;
        tx.commit().await
    }

    async fn sign_in(&self, id: &str) -> Result<Option<PendingSignIn>> {
        const FIND: &str = "select org, integration, key_id, body, expires_ms, used from pending_sign_in where id = $1";
        let row = query(FIND).bind(id).fetch_optional(self.readers()).await.map_err(database)?;
        let Some(row) = row else { return Ok(None) };
        let scope = Scope::new(row.text(0)?, row.text(1)?);
        let body = Sealer::new(self.key(), &scope).unseal(&body_of(id), row.text(2)?, row.bytes(3)?)?;
        Ok(Some(PendingSignIn {
            id: id.to_owned(),
            scope,
            expires_at: timestamp(row.int(4)?)?,
            body: SecretString::from(body),
            is_used: row.int(5)? != 0,
        }))
    }

    async fn use_sign_in(&self, scope: &Scope, id: &str) -> Result<bool> {
        const USE: &str = "update pending_sign_in set used = 1 where id = $1 and org = $2 and integration = $3 and used = 0";
        let mut tx = self.begin().await?;
        let query = query(USE).bind(id).bind(scope.organization.as_str()).bind(scope.integration.as_str());
        let n_rows = query.execute(&mut tx).await.map_err(database)?;
        tx.commit().await?;
        Ok(n_rows == 1)
    }
}

async fn own_client<'c>(from: impl Into<On<'c>> + Send, key: &StoreKey, scope: &Scope) -> Result<Option<OwnClient>> {
    let query = query("select client_id, key_id, secret from oauth_client where org = $1 and integration = $2")
        .bind(scope.organization.as_str())
        .bind(scope.integration.as_str());
    let row = query.fetch_optional(from).await.map_err(database)?;
    row.map(|row| {
        let secret = Sealer::new(key, scope).unseal(SECRET, row.text(1)?, row.bytes(2)?)?;
        Ok(OwnClient { id: row.text(0)?.to_owned(), secret: SecretString::from(secret) })
    })
    .transpose()
}

async fn put_own_client(conn: &mut Conn, key: &StoreKey, scope: &Scope, client: &OwnClient) -> Result<()> {
    const PUT: &str = "insert into oauth_client (org, integration, client_id, key_id, secret) \
        values ($1, $2, $3, $4, $5) on conflict (org, integration) do update set client_id = excluded.client_id, \
        key_id = excluded.key_id, secret = excluded.secret";
    let query = query(PUT)
        .bind(scope.organization.as_str())
        .bind(scope.integration.as_str())
        .bind(client.id.as_str())
        .bind(key.ids().next().unwrap_or_default())
        .bind(Sealer::new(key, scope).seal(SECRET, client.secret.expose_secret())?);
    query.execute(conn).await.map_err(database)?;
    Ok(())
}

/// Seals with the newest key what an older one sealed. Sign-ins last for minutes: they are left alone.
pub(super) async fn reseal(conn: &mut Conn, key: &StoreKey) -> Result<u64> {
    let old = query("select org, integration from oauth_client where key_id <> $1")
        .bind(key.ids().next().unwrap_or_default())
        .for_update()
        .fetch_all(&mut *conn)
        .await
        .map_err(database)?;
    for row in &old {
        let scope = Scope::new(row.text(0)?, row.text(1)?);
        if let Some(client) = own_client(&mut *conn, key, &scope).await? {
            put_own_client(conn, key, &scope, &client).await?;
        }
    }
    Ok(old.len() as u64)
}
