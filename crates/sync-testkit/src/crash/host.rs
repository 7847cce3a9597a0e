//! A host with crash points.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use sync_core::{
    Collection, FieldSet, Local, LocalFrom, LocalId, LocalPage, LocalReceipt, LocalVerb, LocalWrite, NaturalKey,
    OrganizationId, Records, Result, WritableRecords,
};

use super::Crash;

/// A host's records, with a crash point before and after each write. After a read others may go first: the host's people
/// change records while a run has read them.
pub struct CrashRecords {
    inner: Arc<dyn WritableRecords>,
    crash: Crash,
}

impl CrashRecords {
    /// Around these records.
    pub fn new(inner: Arc<dyn WritableRecords>, crash: Crash) -> Self {
        Self { inner, crash }
    }
}

impl fmt::Debug for CrashRecords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CrashRecords").finish_non_exhaustive()
    }
}

#[async_trait]
impl Records for CrashRecords {
    async fn changes(
        &self,
        organization: &OrganizationId,
        of: &Collection,
        fields: &FieldSet,
        from: LocalFrom<'_>,
        limit: usize,
    ) -> Result<LocalPage> {
        let page = self.inner.changes(organization, of, fields, from, limit).await;
        self.crash.turn().await;
        page
    }

    async fn read(
        &self,
        organization: &OrganizationId,
        of: &Collection,
        fields: &FieldSet,
        ids: &[LocalId],
    ) -> Result<Vec<Local>> {
        let read = self.inner.read(organization, of, fields, ids).await;
        self.crash.turn().await;
        read
    }

    async fn labels(&self, organization: &OrganizationId, of: &Collection, ids: &[LocalId]) -> Result<Vec<Option<String>>> {
        self.inner.labels(organization, of, ids).await
    }
}

#[async_trait]
impl WritableRecords for CrashRecords {
    async fn write(
        &self,
        organization: &OrganizationId,
        of: &Collection,
        writes: &[LocalWrite],
    ) -> Result<Vec<LocalReceipt>> {
        self.crash.around("host.write", self.inner.write(organization, of, writes)).await
    }

    fn can(&self, of: &Collection, verb: LocalVerb) -> bool {
        self.inner.can(of, verb)
    }

    async fn find(&self, organization: &OrganizationId, of: &Collection, keys: &[NaturalKey]) -> Result<Vec<Vec<LocalId>>> {
        self.inner.find(organization, of, keys).await
    }
}
