//! How the values that several commands take are read from the command line. It must not know any command.

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::{
    email::EmailAddress,
    invalid::{Invalid, quote},
    name::{OrganizationSlug, ProjectSlug},
    path::EnvironmentPath,
};
use crate::sys::clock;

/// An organization and a project in it, `acme/site`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ProjectPath {
    pub(super) organization: OrganizationSlug,
    pub(super) project: ProjectSlug,
}

impl std::fmt::Display for ProjectPath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.organization, self.project)
    }
}

/// Something that roles are bound at, by its path or its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Scope {
    /// The query field that finds it.
    pub(super) field: &'static str,
    /// The argument of that field: `id` or `path`.
    pub(super) key: &'static str,
    /// The argument's value.
    pub(super) value: String,
}

pub(super) fn email(text: &str) -> Result<EmailAddress, String> {
    EmailAddress::parse(text).map_err(|problem| problem.message)
}

pub(super) fn organization(text: &str) -> Result<OrganizationSlug, String> {
    OrganizationSlug::parse(text).map_err(|problem| problem.message)
}

pub(super) fn project(text: &str) -> Result<ProjectPath, String> {
    let Some((organization, project)) = text.split_once('/') else {
        return Err(format!("{} names no project, write `organization/project`", quote(text)));
    };
    let organization = OrganizationSlug::parse(organization).map_err(|problem| problem.message)?;
    let project = ProjectSlug::parse(project).map_err(|problem| problem.message)?;
    Ok(ProjectPath { organization, project })
}

pub(super) fn environment(text: &str) -> Result<EnvironmentPath, String> {
    EnvironmentPath::parse(text).map_err(|problems| sentence(&problems))
}

pub(super) fn scope(text: &str) -> Result<Scope, String> {
    let by = |field, key| Ok(Scope { field, key, value: text.to_owned() });
    for (prefix, field) in [("org_", "organization"), ("prj_", "project"), ("env_", "environment")] {
        if text.starts_with(prefix) {
            return by(field, "id");
        }
    }
    let slug_problem = |problem: Invalid| problem.message;
    match text.matches('/').count() {
        0 => OrganizationSlug::parse(text).map_err(slug_problem).and_then(|_| by("organization", "path")),
        1 => project(text).and_then(|_| by("project", "path")),
        _ => environment(text).and_then(|_| by("environment", "path")),
    }
}

/// A point in time as RFC 3339 has it.
pub(super) fn time(text: &str) -> Result<DateTime<Utc>, String> {
    let read = DateTime::parse_from_rfc3339(text).map(|time| time.to_utc());
    read.map_err(|_| format!("{} is no time, write such as `2030-12-31T18:00:00Z`", quote(text)))
}

/// A point in time as RFC 3339 has it, or how long it is ago.
pub(super) fn moment(text: &str) -> Result<DateTime<Utc>, String> {
    let unit = |letter| match letter {
        's' => Some(1),
        'm' => Some(60),
        'h' => Some(3600),
        'd' => Some(86_400),
        _ => None,
    };
    let ago = text.chars().last().and_then(unit).and_then(|seconds| {
        let count: i64 = text.get(..text.len() - 1)?.parse().ok().filter(|count| *count >= 0)?;
        clock::now().checked_sub_signed(TimeDelta::try_seconds(count.checked_mul(seconds)?)?)
    });
    ago.map_or_else(|| time(text).map_err(|problem| format!("{problem}, or how long ago such as `15m`")), Ok)
}

/// All problems of one value in one sentence.
pub(super) fn sentence(problems: &[Invalid]) -> String {
    problems.iter().map(|problem| problem.message.as_str()).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_found_by_what_it_looks_like() {
        let found = |text| scope(text).map(|it| (it.field, it.key));
        assert_eq!(found("acme"), Ok(("organization", "path")));
        assert_eq!(found("acme/site"), Ok(("project", "path")));
        assert_eq!(found("acme/site/production"), Ok(("environment", "path")));
        assert_eq!(found("prj_01k8"), Ok(("project", "id")));
        for text in ["", "a/b/c/d", "Acme", "acme/", "usr_01k8"] {
            assert!(found(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_time_has_a_zone() {
        assert!(time("2030-12-31T18:00:00+01:00").is_ok_and(|it| it.to_rfc3339() == "2030-12-31T17:00:00+00:00"));
        assert!(time("2030-12-31 18:00").is_err());
        assert!(time("tomorrow").is_err());
        let ago = |text| moment(text).map(|at| (clock::now() - at).num_minutes());
        assert_eq!((ago("90m"), ago("2h"), ago("0s")), (Ok(90), Ok(120), Ok(0)));
        assert!(moment("2030-12-31T18:00:00Z").is_ok());
        for wrong in ["", "m", "-1m", "1w", "é", "99999999999999999999d", "9999999999999999d"] {
            assert!(moment(wrong).is_err(), "{wrong}");
        }
    }
}
