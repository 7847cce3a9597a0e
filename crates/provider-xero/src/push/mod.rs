//! Writing: one call for the records of one kind and purpose, one receipt for each.

mod contact;
mod invoice;
mod payment;

use sync_core::{CallKey, Context, Error, ErrorKind, Facts, PartRef, Push, Receipt, RemoteId, Result, Version};

use crate::{handler::Handler, model::Element};

/// What a call does. The group's name says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// New contacts.
    CreateContacts,
    /// Known contacts.
    UpdateContacts,
    /// Contacts put away.
    ArchiveContacts,
    /// New invoices.
    CreateInvoices,
    /// Known invoices.
    UpdateInvoices,
    /// Invoices taken away.
    VoidInvoices,
    /// New credit notes.
    CreateCreditNotes,
    /// Known credit notes.
    UpdateCreditNotes,
    /// Credit notes taken away.
    VoidCreditNotes,
    /// A credit note set against its invoice.
    Allocate,
    /// New payments.
    CreatePayments,
    /// A payment taken back; the id follows the group's name.
    DeletePayment,
}

impl Step {
    const ALL: [Self; 12] = [
        Self::CreateContacts,
        Self::UpdateContacts,
        Self::ArchiveContacts,
        Self::CreateInvoices,
        Self::UpdateInvoices,
        Self::VoidInvoices,
        Self::CreateCreditNotes,
        Self::UpdateCreditNotes,
        Self::VoidCreditNotes,
        Self::Allocate,
        Self::CreatePayments,
        Self::DeletePayment,
    ];

    /// The name of the calls that do this.
    pub(crate) fn group(self) -> &'static str {
        match self {
            Self::CreateContacts => "contacts:create",
            Self::UpdateContacts => "contacts:update",
            Self::ArchiveContacts => "contacts:archive",
            Self::CreateInvoices => "invoices:create",
            Self::UpdateInvoices => "invoices:update",
            Self::VoidInvoices => "invoices:void",
            Self::CreateCreditNotes => "credit-notes:create",
            Self::UpdateCreditNotes => "credit-notes:update",
            Self::VoidCreditNotes => "credit-notes:void",
            Self::Allocate => "credit-notes:allocate",
            Self::CreatePayments => "payments:create",
            Self::DeletePayment => "payments:delete",
        }
    }
}

/// One wire call, with the look-ups that make it safe.
pub(crate) async fn push(handler: &Handler, cx: &Context<'_>, request: Push<'_>) -> Result<Vec<Receipt>> {
    let Push { set, key, facts, .. } = &request;
    let is_it = |step: &Step| {
        let rest = set.group.strip_prefix(step.group());
        rest.is_some_and(|rest| rest.is_empty() || (*step == Step::DeletePayment && rest.starts_with(':')))
    };
    let step = Step::ALL
        .into_iter()
        .find(is_it)
        .ok_or_else(|| Error::new(ErrorKind::Internal, "a call was asked for that Xero's parts do not know"))?;
    if set.parts.is_empty() {
        return Ok(Vec::new());
    }
    let pushing = Pushing { handler, cx, key, facts };
    match step {
        Step::CreateContacts => contact::create(&pushing, set.parts).await,
        Step::UpdateContacts => contact::update(&pushing, set.parts).await,
        Step::ArchiveContacts => contact::archive(&pushing, set.parts).await,
        Step::CreateInvoices => invoice::create(&pushing, set.parts, false).await,
        Step::UpdateInvoices => invoice::update(&pushing, set.parts, false).await,
        Step::VoidInvoices => invoice::void(&pushing, set.parts, false).await,
        Step::CreateCreditNotes => invoice::create(&pushing, set.parts, true).await,
        Step::UpdateCreditNotes => invoice::update(&pushing, set.parts, true).await,
        Step::VoidCreditNotes => invoice::void(&pushing, set.parts, true).await,
        Step::Allocate => invoice::allocate(&pushing, set.parts).await,
        Step::CreatePayments => payment::create(&pushing, set.parts).await,
        Step::DeletePayment => payment::delete(&pushing, set.parts).await,
    }
}

/// What all calls of a push share.
pub(crate) struct Pushing<'a> {
    pub(crate) handler: &'a Handler,
    pub(crate) cx: &'a Context<'a>,
    pub(crate) key: &'a CallKey,
    pub(crate) facts: &'a Facts,
}

impl Pushing<'_> {
    /// A key for another call of the same push. The same key with another body is refused.
    pub(crate) fn second_key(&self) -> CallKey {
        CallKey::new(format!("{}-2", self.key))
    }
}

/// The receipts of a push, filled one by one.
pub(crate) struct Receipts(Vec<Option<Receipt>>);

impl Receipts {
    pub(crate) fn of(parts: &[PartRef<'_>]) -> Self {
        Self(parts.iter().map(|_| None).collect())
    }

    pub(crate) fn set(&mut self, part: usize, receipt: Receipt) {
        if let Some(slot) = self.0.get_mut(part) {
            *slot = Some(receipt);
        }
    }

    /// One for each part: what no answer mentions may have happened.
    pub(crate) fn all(self) -> Vec<Receipt> {
        let unanswered = || Receipt::Uncertain(crate::error::unanswered());
        self.0.into_iter().map(|receipt| receipt.unwrap_or_else(unanswered)).collect()
    }
}

/// The record that a part is about.
pub(crate) fn id_of(part: &PartRef<'_>) -> Option<RemoteId> {
    part.remote.or(part.op.before.as_ref().map(|before| &before.id)).cloned()
}

/// The version that it was decided on.
pub(crate) fn version_of<'p>(part: &'p PartRef<'_>) -> Option<&'p Version> {
    part.version.or(part.op.before.as_ref().and_then(|before| before.version.as_ref()))
}

/// Which element of an answer is whose: in the order of the request, where there are as many.
pub(crate) fn paired<E: Element>(elements: &[E], n_sent: usize, is_it: impl Fn(&E, usize) -> bool) -> Vec<Option<&E>> {
    let fits = |idx: &usize| elements.len() == n_sent && elements.get(*idx).is_some_and(|element| is_it(element, *idx));
    let of = |idx: usize| {
        let in_order = Some(idx).filter(&fits).and_then(|idx| elements.get(idx));
        in_order.or_else(|| elements.iter().find(|element| is_it(element, idx)))
    };
    (0..n_sent).map(of).collect()
}
