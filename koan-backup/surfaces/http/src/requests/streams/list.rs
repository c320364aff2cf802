//! The query parameters of lists of single backups.

use jiff::Timestamp;
use koan_backup_core::streams::StreamBackupQuery;
use serde::Deserialize;
use utoipa::IntoParams;

use super::path::StreamPath;
use crate::problem::Problem;
use crate::requests::fields::invalid;
use crate::requests::list::{Page, page};

/// The query parameters of a list of single backups.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct StreamListParameters {
    /// Only backups with this object name.
    object: Option<String>,
    /// Only backups of the aggregate with this object id.
    object_id: Option<String>,
    /// Only backups that were created at this time or later.
    created_after: Option<Timestamp>,
    /// Only backups that were created before this time.
    created_before: Option<Timestamp>,
    /// Only backups with this tag. If the parameter is repeated, a backup must have all of the tags.
    #[serde(default)]
    tag: Vec<String>,
    /// Only backups with this value in their metadata, as `key=value`. If the parameter is repeated, a backup must have
    /// all of the values.
    #[serde(default)]
    metadata: Vec<String>,
    /// Only backups in this storage profile; the parameter can be repeated.
    #[serde(default)]
    storage_profile: Vec<String>,
    /// The number of the page, from 1.
    #[param(minimum = 1, maximum = 1000000)]
    page: Option<usize>,
    /// The number of backups on a page.
    #[param(minimum = 1, maximum = 100)]
    page_size: Option<usize>,
}

/// The query parameters of the list of the single backups of one aggregate.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct StreamPageParameters {
    /// Only backups in this storage profile; the parameter can be repeated.
    #[serde(default)]
    storage_profile: Vec<String>,
    /// The number of the page, from 1.
    #[param(minimum = 1, maximum = 1000000)]
    page: Option<usize>,
    /// The number of backups on a page.
    #[param(minimum = 1, maximum = 100)]
    page_size: Option<usize>,
}

impl StreamPageParameters {
    /// Returns the parameters of the list of all single backups that select those of one aggregate.
    pub(crate) fn of(self, StreamPath { object, id }: StreamPath) -> StreamListParameters {
        let Self { storage_profile, page, page_size } = self;
        let (object, object_id) = (Some(object), Some(id));
        StreamListParameters {
            object,
            object_id,
            storage_profile,
            page,
            page_size,
            ..StreamListParameters::default()
        }
    }
}

impl StreamListParameters {
    /// Returns the requested page.
    pub(crate) fn page(&self) -> Result<Page, Problem> {
        page(self.page, self.page_size)
    }

    /// Restricts a query to the requested backups.
    pub(crate) fn apply(&self, mut query: StreamBackupQuery) -> Result<StreamBackupQuery, Problem> {
        if let (Some(after), Some(before)) = (self.created_after, self.created_before)
            && after > before
        {
            return Err(invalid("createdAfter", "must not be later than `createdBefore`"));
        }
        if let Some(object) = &self.object {
            query = query.object(object);
        }
        if let Some(id) = &self.object_id {
            query = query.object_id(id);
        }
        if let Some(time) = self.created_after {
            query = query.created_after(time);
        }
        if let Some(time) = self.created_before {
            query = query.created_before(time);
        }
        for tag in &self.tag {
            query = query.tag(tag);
        }
        for pair in &self.metadata {
            let (key, value) = pair
                .split_once('=')
                .ok_or_else(|| invalid("metadata", "must be a key and a value, as `key=value`"))?;
            query = query.metadata(key, value);
        }
        Ok(query.profiles(&self.storage_profile))
    }
}
