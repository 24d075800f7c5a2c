//! How people name an environment, `acme/site/production`; it must not know whether there is one.

use std::fmt;

use super::{
    invalid::{Invalid, quote},
    name::{EnvironmentSlug, OrganizationSlug, ProjectSlug},
};

/// One environment by the slugs on the way to it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EnvironmentPath {
    /// The first part.
    pub organization: OrganizationSlug,
    /// The second part.
    pub project: ProjectSlug,
    /// The third part.
    pub environment: EnvironmentSlug,
}

impl EnvironmentPath {
    /// Reads `organization/project/environment`.
    ///
    /// # Errors
    /// A problem of the whole when there are not three parts, otherwise one for each part that is wrong.
    pub fn parse(text: &str) -> Result<Self, Vec<Invalid>> {
        let parts: Vec<&str> = text.splitn(4, '/').collect();
        let [organization, project, environment] = parts[..] else {
            let message = format!("{} names no environment, write `organization/project/environment`", quote(text));
            return Err(vec![Invalid::new("format", message)]);
        };
        let organization = OrganizationSlug::parse(organization).map_err(|it| it.within("organization"));
        let project = ProjectSlug::parse(project).map_err(|it| it.within("project"));
        let environment = EnvironmentSlug::parse(environment).map_err(|it| it.within("environment"));
        match (organization, project, environment) {
            (Ok(organization), Ok(project), Ok(environment)) => Ok(Self { organization, project, environment }),
            (organization, project, environment) => {
                Err([organization.err(), project.err(), environment.err()].into_iter().flatten().collect())
            }
        }
    }
}

impl fmt::Display for EnvironmentPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.organization, self.project, self.environment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_slugs_make_a_path_and_it_prints_as_it_was_written() {
        let path = EnvironmentPath::parse("acme/site/production").map(|path| path.to_string());
        assert_eq!(path.as_deref(), Ok("acme/site/production"));
    }

    #[test]
    fn every_wrong_part_is_reported() {
        for text in ["", "acme", "acme/site", "acme/site/production/", "a/b/c/d"] {
            assert_eq!(
                EnvironmentPath::parse(text).map_err(|problems| problems[0].constraint),
                Err("format"),
                "{text}"
            );
        }
        let fields = EnvironmentPath::parse("Acme/site/")
            .map_err(|problems| problems.into_iter().map(|problem| problem.field).collect::<Vec<_>>());
        assert_eq!(fields, Err(vec!["organization".to_owned(), "environment".to_owned()]));
        assert!(EnvironmentPath::parse("/site/x").is_err());
    }
}
