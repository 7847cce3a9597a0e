//! Mailchimp: contacts and tags to one audience.
