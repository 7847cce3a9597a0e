//! The calls that the sync needs: method, path, query, body.

use http::Method;
use sync_core::{Call, ContainerId, RemoteId, Repeat, Result};

use crate::{
    descriptor::API,
    error::{classify, classify_archive},
    model::{MemberTags, MemberWrite, MembersWrite, NewSegment, SegmentChange},
};

/// What is read of a member. Statistics, addresses of networks and the like never enter the process.
const MEMBER_FIELDS: [&str; 8] =
    ["id", "email_address", "status", "merge_fields", "timestamp_signup", "timestamp_opt", "last_changed", "tags"];

/// Which account it is. <https://mailchimp.com/developer/marketing/api/root/list-api-root-resources/>
pub(crate) fn root() -> Call {
    read("root.read").segments([""]).param("fields", "account_id,account_name")
}

/// All audiences. <https://mailchimp.com/developer/marketing/api/lists/get-lists-info/>
pub(crate) fn audiences(count: u32, offset: u64) -> Call {
    paged(read("lists.list").segments(["lists"]), count, offset)
        .param("fields", "lists.id,lists.name,lists.stats.member_count,total_items")
}

/// One audience. <https://mailchimp.com/developer/marketing/api/lists/get-list-info/>
pub(crate) fn audience(audience: &ContainerId) -> Call {
    read("lists.read")
        .segments(["lists", audience.as_str()])
        .param("fields", "id,name,double_optin,has_welcome,stats.member_count")
}

/// Merge fields. <https://mailchimp.com/developer/marketing/api/list-merges/list-merge-fields/>
pub(crate) fn merge_fields(audience: &ContainerId, count: u32, offset: u64) -> Call {
    let fields = ["tag", "name", "type", "required", "options"].map(|field| format!("merge_fields.{field}")).join(",");
    paged(read("lists.merge_fields.list").segments(["lists", audience.as_str(), "merge-fields"]), count, offset)
        .param("fields", format!("{fields},total_items"))
}

/// Static segments, which tags are. <https://mailchimp.com/developer/marketing/api/list-segments/list-segments/>
pub(crate) fn static_segments(audience: &ContainerId, count: u32, offset: u64) -> Call {
    paged(read("lists.segments.list").segments(["lists", audience.as_str(), "segments"]), count, offset)
        .param("type", "static")
        .param("fields", "segments.id,segments.name,total_items")
}

/// Tags whose names start so. <https://mailchimp.com/developer/marketing/api/list-tags/>
pub(crate) fn tag_search(audience: &ContainerId, name: &str) -> Call {
    read("lists.tag_search").segments(["lists", audience.as_str(), "tag-search"]).param("name", name)
}

/// What a page of members is asked for.
pub(crate) struct MembersQuery {
    /// Only the archived ones; they are in no other listing.
    pub(crate) archived: bool,
    /// Only what changed after this second. The listing is then ordered by the time of the change, else of the sign-up.
    pub(crate) since: Option<String>,
    pub(crate) count: u32,
    pub(crate) offset: u64,
}

/// A page of members. <https://mailchimp.com/developer/marketing/api/list-members/list-members-info/>
pub(crate) fn members(audience: &ContainerId, query: &MembersQuery) -> Call {
    let fields = MEMBER_FIELDS.map(|field| format!("members.{field}")).join(",");
    let mut call = read("lists.members.list").segments(["lists", audience.as_str(), "members"]);
    call = paged(call, query.count, query.offset).param("fields", format!("{fields},total_items"));
    if query.archived {
        call = call.param("status", "archived");
    }
    let order = match &query.since {
        Some(since) => {
            call = call.param("since_last_changed", since);
            "last_changed"
        }
        None => "timestamp_signup",
    };
    call.param("sort_field", order).param("sort_dir", "ASC")
}

/// One member. <https://mailchimp.com/developer/marketing/api/list-members/get-member-info/>
pub(crate) fn member(audience: &ContainerId, id: &RemoteId) -> Call {
    read("lists.members.read")
        .segments(["lists", audience.as_str(), "members", id.as_str()])
        .param("fields", MEMBER_FIELDS.join(","))
}

/// Up to 500 members at once. Repeating it is safe: whoever exists comes back as existing, or is written the same again.
/// <https://mailchimp.com/developer/marketing/api/lists/batch-subscribe-or-unsubscribe/>
pub(crate) fn write_members(audience: &ContainerId, body: &MembersWrite<'_>, skip_merge_validation: bool) -> Result<Call> {
    let call = write("lists.batch", Method::POST).segments(["lists", audience.as_str()]);
    validated(call, skip_merge_validation).json(body)
}

/// One known member. <https://mailchimp.com/developer/marketing/api/list-members/update-list-member/>
pub(crate) fn update_member(audience: &ContainerId, id: &RemoteId, body: &MemberWrite) -> Result<Call> {
    let call = write("lists.members.update", Method::PATCH).segments(["lists", audience.as_str(), "members", id.as_str()]);
    // What isn't sent isn't changed, so nothing that is missing can be required.
    validated(call, true).json(body)
}

/// One member, whether known or not: the way back from the archive.
/// <https://mailchimp.com/developer/marketing/api/list-members/add-or-update-list-member/>
pub(crate) fn upsert_member(
    audience: &ContainerId,
    id: &RemoteId,
    body: &MemberWrite,
    skip_merge_validation: bool,
) -> Result<Call> {
    let call = write("lists.members.upsert", Method::PUT).segments(["lists", audience.as_str(), "members", id.as_str()]);
    validated(call, skip_merge_validation).json(body)
}

/// One member into the archive. <https://mailchimp.com/developer/marketing/api/list-members/archive-list-member/>
pub(crate) fn archive_member(audience: &ContainerId, id: &RemoteId) -> Call {
    Call::new("lists.members.archive", API, Method::DELETE, classify_archive).repeat(Repeat::Answered).segments([
        "lists",
        audience.as_str(),
        "members",
        id.as_str(),
    ])
}

/// One member erased for good; takes the hash only.
/// <https://mailchimp.com/developer/marketing/api/list-members/delete-list-member/>
pub(crate) fn erase_member(audience: &ContainerId, id: &RemoteId) -> Call {
    write("lists.members.delete_permanent", Method::POST).segments([
        "lists",
        audience.as_str(),
        "members",
        id.as_str(),
        "actions",
        "delete-permanent",
    ])
}

/// Tags of one member. <https://mailchimp.com/developer/marketing/api/list-member-tags/add-or-remove-member-tags/>
pub(crate) fn write_member_tags(audience: &ContainerId, id: &RemoteId, body: &MemberTags<'_>) -> Result<Call> {
    write("lists.members.tags.write", Method::POST)
        .segments(["lists", audience.as_str(), "members", id.as_str(), "tags"])
        .json(body)
}

/// A new tag with its first members. <https://mailchimp.com/developer/marketing/api/list-segments/add-segment/>
pub(crate) fn create_segment(audience: &ContainerId, body: &NewSegment<'_>) -> Result<Call> {
    write("lists.segments.create", Method::POST).segments(["lists", audience.as_str(), "segments"]).json(body)
}

/// Members onto and off a tag. <https://mailchimp.com/developer/marketing/api/list-segments/batch-add-or-remove-members/>
pub(crate) fn change_segment(audience: &ContainerId, segment: u64, body: &SegmentChange<'_>) -> Result<Call> {
    write("lists.segments.change", Method::POST)
        .segments(["lists", audience.as_str(), "segments", &segment.to_string()])
        .json(body)
}

fn read(operation: &'static str) -> Call {
    Call::get(operation, API, classify)
}

fn write(operation: &'static str, method: Method) -> Call {
    Call::new(operation, API, method, classify).repeat(Repeat::Answered)
}

fn paged(call: Call, count: u32, offset: u64) -> Call {
    call.param("count", count).param("offset", offset)
}

fn validated(call: Call, skip_merge_validation: bool) -> Call {
    if skip_merge_validation { call.param("skip_merge_validation", "true") } else { call }
}
