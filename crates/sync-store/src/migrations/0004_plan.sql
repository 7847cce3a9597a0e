-- Groups that only one operation has: kept with it, one text for each of its parts, as JSON. Parts of such a group share a
-- spec whose own group is blank.
alter table plan_body add column call_groups text;
