//! What stores and hosts tell.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use sqlx::{Connection as _, Executor as _, SqliteConnection, sqlite::SqliteConnectOptions};
use sync_core::{
    Collection, Credentials, FieldSet, Grant, Grants as _, HostRecords, Local, LocalFrom, LocalId, LocalPage,
    OrganizationId, Records, Result, Scope,
};
use sync_dispatch::Dispatcher;
use sync_engine::EngineConfig;
use sync_store::{SqlStore, StoreKey};
use sync_testkit::Shop;

use super::{Broken, differs, wrong};
use crate::{
    CANARY, Town, customer,
    sim::{
        newsletter::Newsletter,
        sync, with,
        world::{Place as _, Start},
    },
};

/// A host that remembers how much it was asked for at once.
struct Asked {
    shop: Arc<Shop>,
    most: Arc<Mutex<usize>>,
}

#[async_trait]
impl Records for Asked {
    async fn changes(
        &self,
        organization: &OrganizationId,
        of: &Collection,
        fields: &FieldSet,
        from: LocalFrom<'_>,
        limit: usize,
    ) -> Result<LocalPage> {
        with(&self.most, |most| *most = limit.max(*most));
        self.shop.changes(organization, of, fields, from, limit).await
    }

    async fn read(
        &self,
        organization: &OrganizationId,
        of: &Collection,
        fields: &FieldSet,
        ids: &[LocalId],
    ) -> Result<Vec<Local>> {
        with(&self.most, |most| *most = ids.len().max(*most));
        self.shop.read(organization, of, fields, ids).await
    }

    async fn labels(&self, organization: &OrganizationId, of: &Collection, ids: &[LocalId]) -> Result<Vec<Option<String>>> {
        self.shop.labels(organization, of, ids).await
    }
}

pub(super) fn the_host_is_asked_by_pages() -> Broken {
    const PAGE: usize = 3;
    let place = Newsletter::start(&Start::of(1));
    let world = place.world();
    let (most, mut engine) = (Arc::<Mutex<usize>>::default(), EngineConfig::default());
    (engine.page, engine.window) = (PAGE, PAGE);
    let records = HostRecords::ReadOnly(Arc::new(Asked { shop: world.shop.clone(), most: most.clone() }));
    let builder = Dispatcher::builder(world.store(), records)
        .clock(Arc::new(world.clock.clone()))
        .transport(Arc::new(world.wire.clone()))
        .consent(world.shop.clone())
        .engine(engine);
    let dispatcher = place.build(builder).build().unwrap_or_else(|error| panic!("{error:?}"));
    let result = world.clock.block_on(async {
        place.connect(&dispatcher).await;
        let scope = &world.scope;
        sync(&dispatcher, sync_core::SyncRequest::new(scope.organization.clone(), scope.integration.clone())).await
    });
    let mut broken = wrong(!result.success, format!("{result:?}"));
    let most = with(&most, |most| *most);
    broken.extend(wrong(most == 0 || most > PAGE, format!("law 6: {most} records at once where a page holds {PAGE}")));
    broken
}

fn grant(key: &str) -> Grant {
    Grant {
        generation: 1,
        credentials: Credentials::ApiKey(key.to_owned().into()),
        vars: Default::default(),
        scopes: Vec::new(),
        account: None,
        dead_since: None,
    }
}

pub(super) fn a_credential_opens_in_its_own_row_alone() -> Broken {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.unwrap_or_else(|error| panic!("{error}"));
    let done: std::result::Result<Broken, Box<dyn std::error::Error>> = runtime.block_on(async {
        let directory = tempfile::tempdir()?;
        let file = directory.path().join("sync.db");
        let store = SqlStore::open(file.clone(), StoreKey::generate()?).await?;
        let (ours, theirs) = (Scope::new("blue-manta", "mailchimp"), Scope::new("red-sea", "mailchimp"));
        store.swap(&ours, None, Some(grant("key-of-blue-manta-us1"))).await?;
        store.swap(&theirs, None, Some(grant("key-of-red-sea-us1"))).await?;
        let mut raw = SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(file)).await?;
        let swap =
            "update credential set api_key = (select other.api_key from credential other where other.org <> credential.org)";
        raw.execute(swap).await?;
        Ok(wrong(store.load(&ours).await.is_ok(), "law 13: a key of another organization opens"))
    });
    done.unwrap_or_else(|error| vec![error.to_string()])
}

pub(super) fn who_never_connected_has_nothing() -> Broken {
    let town = Town::new([], 1);
    town.open(&["ada"]);
    town.agree();
    let scope = town.rig.scope("red-sea");
    let row = town.clock.block_on(town.rig.store().connection(&scope)).unwrap_or_default();
    differs("law 13: connections", &row.map(|row| row.scope.organization), &None)
}

pub(super) fn a_record_prints_no_content() -> Broken {
    wrong(format!("{:?}", customer("ada", &[])).contains(CANARY), "law 14: a record prints its content")
}
