//! `providers`.

use std::sync::Arc;

use async_trait::async_trait;
use serde::Serialize;
use sync_core::{
    Capabilities, Collection, FieldSet, HostRecords, Local, LocalFrom, LocalId, LocalNext, LocalPage, LocalState,
    OrganizationId, Records, Result,
};
use sync_dispatch::{Dispatcher, IntegrationInfo, MemoryStore, http::system_clock};

use crate::{app::App, exit::Exit};

/// One line of the list.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    id: String,
    name: String,
    #[serde(flatten)]
    capabilities: Capabilities,
    feature: Option<&'static str>,
    built: bool,
}

impl From<IntegrationInfo> for Row {
    fn from(info: IntegrationInfo) -> Self {
        Self {
            id: info.id.as_str().to_owned(),
            name: info.name.into_owned(),
            capabilities: info.capabilities,
            feature: info.feature,
            built: info.built,
        }
    }
}

/// Lists the integrations.
pub(super) fn run(app: &App) -> Result<Exit> {
    let dispatcher = Dispatcher::builder(
        Arc::new(MemoryStore::new(Arc::new(system_clock()))),
        HostRecords::ReadOnly(Arc::new(NoRecords)),
    )
    .without_consent_sink()
    .build()?;
    let rows: Vec<Row> = dispatcher.integrations().into_iter().map(Row::from).collect();
    app.out.document(&rows);
    app.out.table(
        &["Integration", "Name", "Syncs", "Direction", "In this build", "What it does"],
        rows.iter().map(|row| {
            let capabilities = &row.capabilities;
            let dash = || "–".to_owned();
            vec![
                row.id.clone(),
                row.name.clone(),
                if capabilities.sync_types.is_empty() { dash() } else { capabilities.sync_types.join(", ") },
                match (capabilities.can_sync, capabilities.supports_direction) {
                    (false, _) => dash(),
                    (true, false) => "push".to_owned(),
                    (true, true) => "push, pull, both".to_owned(),
                },
                if row.built { "yes".to_owned() } else { "not yet".to_owned() },
                capabilities.description.clone().into_owned(),
            ]
        }),
    );
    Ok(Exit::Done)
}

/// A host without records: nothing is synced when integrations are listed.
struct NoRecords;

#[async_trait]
impl Records for NoRecords {
    async fn changes(
        &self,
        _organization: &OrganizationId,
        _of: &Collection,
        _fields: &FieldSet,
        _from: LocalFrom<'_>,
        _limit: usize,
    ) -> Result<LocalPage> {
        Ok(LocalPage { items: Vec::new(), next: LocalNext::Done(None) })
    }

    async fn read(
        &self,
        _organization: &OrganizationId,
        _of: &Collection,
        _fields: &FieldSet,
        ids: &[LocalId],
    ) -> Result<Vec<Local>> {
        Ok(ids.iter().map(|id| Local { id: id.clone(), version: None, state: LocalState::Deleted }).collect())
    }

    async fn labels(
        &self,
        _organization: &OrganizationId,
        _of: &Collection,
        ids: &[LocalId],
    ) -> Result<Vec<Option<String>>> {
        Ok(vec![None; ids.len()])
    }
}
