//! Which field a column holds: of customers guessed from its header, of other records by the model's names.

use std::fmt;

use serde::Serialize;
use sync_core::{Error, ErrorKind, Owner, Result};

use super::schema::Schema;

/// What a column holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(into = "String")]
#[non_exhaustive]
pub enum Field {
    /// The customer's id.
    Id,
    /// E-mail address.
    Email,
    /// Given name.
    FirstName,
    /// Family name.
    LastName,
    /// The whole name.
    Name,
    /// Company.
    Company,
    /// Tax number.
    TaxNumber,
    /// Language.
    Language,
    /// A telephone number of a kind.
    Phone(Option<&'static str>),
    /// A line of the address.
    AddressLine,
    /// Town.
    City,
    /// State, province or region.
    Region,
    /// Postal code.
    PostalCode,
    /// Country.
    Country,
    /// Tags.
    Tags,
    /// Whether the customer agreed to marketing by e-mail.
    Consent,
    /// When.
    ConsentDate,
    /// Where.
    ConsentSource,
    /// A field of another collection's model, by its name.
    Model(&'static str),
    /// Anything else that the host has.
    Extra(String),
    /// Not imported.
    LeftOut,
}

impl Field {
    /// True when several columns may hold it.
    fn repeats(&self) -> bool {
        matches!(self, Self::Phone(_) | Self::AddressLine | Self::Tags | Self::LeftOut)
    }

    /// The field of a name as `--map` takes it, of customers or of another collection.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] lists the names.
    pub fn parse_of(schema: Option<&Schema>, name: &str) -> Result<Self> {
        let Some(schema) = schema else { return Self::parse(name) };
        match (name, schema.field(name), name.strip_prefix("extra.")) {
            ("id", ..) => Ok(Self::Id),
            ("-", ..) => Ok(Self::LeftOut),
            (_, Some(field), _) => Ok(Self::Model(field)),
            (_, None, Some(rest)) if !rest.is_empty() => Ok(Self::Extra(rest.to_owned())),
            _ => {
                let names: Vec<&str> = schema.fields.iter().filter_map(|(name, _)| schema.field(name)).collect();
                Err(Error::new(ErrorKind::Config, format!("there is no field {name}"))
                    .with_owner(Owner::EndUserData)
                    .with_remedy(format!("Use one of id, {}, extra.NAME, or - to leave the column out.", names.join(", "))))
            }
        }
    }

    /// The field of a customer's by its name.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] lists the names.
    pub fn parse(name: &str) -> Result<Self> {
        Ok(match name {
            "id" => Self::Id,
            "email" => Self::Email,
            "first_name" => Self::FirstName,
            "last_name" => Self::LastName,
            "name" => Self::Name,
            "company" => Self::Company,
            "tax_number" => Self::TaxNumber,
            "language" => Self::Language,
            "phone" => Self::Phone(None),
            "phone.mobile" => Self::Phone(Some("mobile")),
            "phone.work" => Self::Phone(Some("work")),
            "phone.home" => Self::Phone(Some("home")),
            "phone.fax" => Self::Phone(Some("fax")),
            "address.line" => Self::AddressLine,
            "address.city" => Self::City,
            "address.region" => Self::Region,
            "address.postal_code" => Self::PostalCode,
            "address.country" => Self::Country,
            "tags" => Self::Tags,
            "-" => Self::LeftOut,
            _ => match name.strip_prefix("extra.").filter(|rest| !rest.is_empty()) {
                Some(rest) => Self::Extra(rest.to_owned()),
                None => {
                    return Err(Error::new(ErrorKind::Config, format!("there is no field {name}"))
                        .with_owner(Owner::EndUserData)
                        .with_remedy(format!("Use one of {NAMES}, extra.NAME, or - to leave the column out.")));
                }
            },
        })
    }
}

/// The names that [`Field::parse`] takes.
const NAMES: &str = "id, email, first_name, last_name, name, company, tax_number, language, phone, phone.mobile, \
     phone.work, phone.home, phone.fax, address.line, address.city, address.region, address.postal_code, \
     address.country, tags";

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Id => "id",
            Self::Email => "email",
            Self::FirstName => "first_name",
            Self::LastName => "last_name",
            Self::Name => "name",
            Self::Company => "company",
            Self::TaxNumber => "tax_number",
            Self::Language => "language",
            Self::Phone(None) => "phone",
            Self::Phone(Some(kind)) => return write!(f, "phone.{kind}"),
            Self::AddressLine => "address.line",
            Self::City => "address.city",
            Self::Region => "address.region",
            Self::PostalCode => "address.postal_code",
            Self::Country => "address.country",
            Self::Tags => "tags",
            Self::Consent => "consent.email",
            Self::ConsentDate => "consent.email (when)",
            Self::ConsentSource => "consent.email (where)",
            Self::Model(name) => name,
            Self::Extra(name) => return write!(f, "extra.{name}"),
            Self::LeftOut => "-",
        })
    }
}

impl From<Field> for String {
    fn from(field: Field) -> Self {
        field.to_string()
    }
}

/// Headers in the words of shop programs and spreadsheets in English, German, Spanish, French, Italian, Dutch and
/// Portuguese, normalised by [`words`] and separated by bars.
const GUESSES: &[(Field, &str)] = &[
    (
        Field::Id,
        "id|customer id|customerid|customer no|customer number|client id|contact id|guest id|kundennummer|\
         kunden nr|kundennr|kunden id|codigo cliente|numero cliente|id cliente|n client|numero client|\
         id client|codice cliente|klantnummer|codigo do cliente",
    ),
    (
        Field::Email,
        "email|e mail|mail|email address|e mail address|e mail adresse|emailadresse|correo|\
         correo electronico|courriel|adresse e mail|adresse email|posta elettronica|e mailadres",
    ),
    (
        Field::FirstName,
        "first name|firstname|first|given name|givenname|forename|fname|vorname|nombre|prenom|voornaam|\
         primeiro nome",
    ),
    (
        Field::LastName,
        "last name|lastname|last|surname|family name|lname|nachname|familienname|apellido|apellidos|nom|\
         nom de famille|cognome|achternaam|apelido|sobrenome",
    ),
    (Field::Name, "name|full name|fullname|display name|customer|customer name|kunde|nombre completo|nome"),
    (Field::Company, "company|company name|organisation|organization|firma|empresa|societe|azienda|bedrijf"),
    (Field::TaxNumber, "tax number|tax id|vat|vat number|vat id|ust id|ust idnr|nif|cif|partita iva|btw nummer"),
    (Field::Language, "language|lang|locale|sprache|idioma|langue|lingua|taal"),
    (Field::Phone(None), "phone|phone number|telephone|tel|telefon|telefono|telefonnummer|telefoon|telefone"),
    (
        Field::Phone(Some("mobile")),
        "mobile|mobile phone|mobile number|cell|cell phone|cellphone|handy|mobil|movil|portable|cellulare|\
         mobiel|telemovel|celular",
    ),
    (Field::Phone(Some("work")), "work phone|business phone|phone work|telefon geschaftlich"),
    (Field::Phone(Some("home")), "home phone|phone home|telefon privat"),
    (Field::Phone(Some("fax")), "fax|telefax"),
    (
        Field::AddressLine,
        "address|address 1|address1|address line 1|address line|street|street address|address 2|address2|\
         address line 2|adresse|strasse|straße|anschrift|direccion|calle|rue|indirizzo|via|adres|straat|\
         morada|endereco|adresszusatz",
    ),
    (Field::City, "city|town|ort|stadt|wohnort|ciudad|poblacion|ville|citta|stad|cidade"),
    (Field::Region, "state|region|province|county|provincia|bundesland|estado|departement"),
    (Field::PostalCode, "zip|zip code|postcode|postal code|post code|plz|postleitzahl|codigo postal|cp|code postal|cap"),
    (Field::Country, "country|country code|land|pais|pays|paese"),
    (Field::Tags, "tags|tag|labels|etiquetas|schlagworte|etiquettes|etichette"),
];

/// Headers that probably tell when somebody agreed; looked at only where the consent column was named.
const CONSENT_DATES: &str = "consent date|consent at|consented at|consent time|opt in date|optin date|opt in at|optin at|\
     opted in at|opt in time|subscribed at|subscribe date|newsletter since|einwilligung am|\
     einwilligungsdatum|fecha consentimiento|date consentement";
/// The same for where.
const CONSENT_SOURCES: &str =
    "consent source|opt in source|optin source|opt in where|einwilligung quelle|origen consentimiento";
/// Headers that look like consent. Never taken for it by themselves.
const CONSENT_LIKE: &str = "consent|newsletter|marketing|opt in|optin|opted in|subscribed|mailing|gdpr|einwilligung|\
     consentimiento|consentement|suscrito|abonne";

/// A column and what it holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Column {
    /// Its header, trimmed.
    pub header: String,
    /// What it holds.
    pub field: Field,
}

/// What a person said about the columns.
#[derive(Debug, Clone, Default)]
pub struct ColumnRules {
    /// What is imported, where it isn't customers: its headers are the model's names.
    pub schema: Option<&'static Schema>,
    /// The column of ids.
    pub id: Option<String>,
    /// Columns with their fields, as `--map` named them.
    pub map: Vec<(String, Field)>,
    /// The column of consent, its date and its source.
    pub consent: Option<String>,
    /// The column of the consent's date.
    pub consent_date: Option<String>,
    /// The column of the consent's source.
    pub consent_source: Option<String>,
}

impl ColumnRules {
    /// What a person said about a header, if anything.
    fn named(&self, header: &str) -> Option<Field> {
        let is = |named: &Option<String>| named.as_deref().is_some_and(|named| same(named, header));
        if is(&self.id) {
            Some(Field::Id)
        } else if is(&self.consent) {
            Some(Field::Consent)
        } else if is(&self.consent_date) {
            Some(Field::ConsentDate)
        } else if is(&self.consent_source) {
            Some(Field::ConsentSource)
        } else {
            self.map.iter().find(|(named, _)| same(named, header)).map(|(_, field)| field.clone())
        }
    }

    /// What a header holds, by what a person said or else by guess.
    pub(crate) fn field_of(&self, header: &str) -> Field {
        if let Some(field) = self.named(header) {
            return field;
        }
        let words = words(header);
        if words.is_empty() {
            return Field::LeftOut;
        }
        if let Some(schema) = self.schema {
            let name = slug(&words);
            return match schema.field(&name) {
                _ if name == "id" && self.id.is_none() => Field::Id,
                Some(field) => Field::Model(field),
                None => Field::Extra(name),
            };
        }
        if self.consent.is_some() {
            if self.consent_date.is_none() && is_among(CONSENT_DATES, &words) {
                return Field::ConsentDate;
            }
            if self.consent_source.is_none() && is_among(CONSENT_SOURCES, &words) {
                return Field::ConsentSource;
            }
        }
        match GUESSES.iter().find(|(_, headers)| is_among(headers, &words)) {
            Some((Field::Id, _)) if self.id.is_some() => Field::Extra(slug(&words)),
            Some((field, _)) => field.clone(),
            None => Field::Extra(slug(&words)),
        }
    }

    /// What each of these headers holds. A field that one column holds already makes the next one an extra.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when a header stands twice; [`ErrorKind::Config`] when a named column isn't there, or none
    /// holds ids: both list the columns there are.
    pub fn columns<'a>(&self, headers: impl IntoIterator<Item = &'a str>) -> Result<Vec<Column>> {
        let mut columns: Vec<Column> = Vec::new();
        for header in headers.into_iter().map(str::trim) {
            if !header.is_empty() && columns.iter().any(|column| column.header == header) {
                return Err(Error::new(ErrorKind::Invalid, format!("the column {header} is there twice"))
                    .with_remedy("Give each column a header of its own."));
            }
            let mut field = self.field_of(header);
            if !field.repeats() && columns.iter().any(|column| column.field == field) {
                if self.named(header).is_some() {
                    // What a person named wins over what was guessed for an earlier column.
                    for column in columns.iter_mut().filter(|column| column.field == field) {
                        column.field = Field::Extra(slug(&words(&column.header)));
                    }
                } else {
                    field = Field::Extra(slug(&words(header)));
                }
            }
            columns.push(Column { header: header.to_owned(), field });
        }
        self.check(&columns)?;
        Ok(columns)
    }

    fn check(&self, columns: &[Column]) -> Result<()> {
        let there = || columns.iter().map(|column| column.header.as_str()).collect::<Vec<_>>().join(", ");
        let named = [&self.id, &self.consent, &self.consent_date, &self.consent_source];
        for name in named.into_iter().flatten().chain(self.map.iter().map(|(name, _)| name)) {
            if !columns.iter().any(|column| same(name, &column.header)) {
                return Err(Error::new(ErrorKind::Config, format!("there is no column {name}"))
                    .with_owner(Owner::EndUserData)
                    .with_remedy(format!("The columns are: {}.", there())));
            }
        }
        let of = self.schema.map_or("customers", |schema| schema.nouns.1);
        if !columns.iter().any(|column| column.field == Field::Id) {
            return Err(Error::new(ErrorKind::Config, format!("no column holds the ids of the {of}"))
                .with_owner(Owner::EndUserData)
                .with_remedy(format!(
                    "Name it with --id-column; an id must stay the same in the next file. The columns are: {}.",
                    there()
                )));
        }
        Ok(())
    }
}

/// The columns that look like consent and were not named as such.
pub fn look_like_consent(columns: &[Column]) -> Vec<&str> {
    columns
        .iter()
        .filter(|column| matches!(column.field, Field::Extra(_)))
        .filter(|column| {
            let words = words(&column.header);
            CONSENT_LIKE.split('|').any(|like| words.contains(like)) && !is_among(CONSENT_DATES, &words)
        })
        .map(|column| column.header.as_str())
        .collect()
}

/// True when a header is one of these, which are separated by bars.
fn is_among(headers: &str, words: &str) -> bool {
    headers.split('|').any(|header| header == words)
}

fn same(named: &str, header: &str) -> bool {
    named.trim() == header || named.trim().to_lowercase() == header.to_lowercase()
}

/// Lower case words without accents and punctuation.
fn words(header: &str) -> String {
    let mut words = String::new();
    for c in header.chars().flat_map(char::to_lowercase) {
        let plain = match c {
            'á' | 'à' | 'â' | 'ä' | 'ã' | 'å' => 'a',
            'é' | 'è' | 'ê' | 'ë' => 'e',
            'í' | 'ì' | 'î' | 'ï' => 'i',
            'ó' | 'ò' | 'ô' | 'ö' | 'õ' => 'o',
            'ú' | 'ù' | 'û' | 'ü' => 'u',
            'ç' => 'c',
            'ñ' => 'n',
            c if c.is_alphanumeric() => c,
            _ => ' ',
        };
        if plain != ' ' || !(words.is_empty() || words.ends_with(' ')) {
            words.push(plain);
        }
    }
    words.truncate(words.trim_end().len());
    words
}

fn slug(words: &str) -> String {
    words.replace(' ', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(headers: &[&str]) -> Vec<String> {
        ColumnRules::default()
            .columns(headers.iter().copied())
            .unwrap()
            .into_iter()
            .map(|column| column.field.to_string())
            .collect()
    }

    #[test]
    fn headers_of_several_languages_are_understood() {
        assert_eq!(
            fields(&["Customer ID", "E-Mail", "First Name", "Surname", "Mobile", "ZIP", "Country", "Tags"]),
            ["id", "email", "first_name", "last_name", "phone.mobile", "address.postal_code", "address.country", "tags"]
        );
        assert_eq!(
            fields(&["Kundennummer", "E-Mail-Adresse", "Vorname", "Nachname", "Straße", "PLZ", "Ort", "Land"]),
            [
                "id",
                "email",
                "first_name",
                "last_name",
                "address.line",
                "address.postal_code",
                "address.city",
                "address.country"
            ]
        );
        assert_eq!(
            fields(&["Código cliente", "Correo electrónico", "Nombre", "Apellidos", "Teléfono", "Población"]),
            ["id", "email", "first_name", "last_name", "phone", "address.city"]
        );
    }

    #[test]
    fn what_is_not_known_becomes_an_extra_and_a_second_column_too() {
        assert_eq!(
            fields(&["id", "Certification level", "email", "e-mail", ""]),
            ["id", "extra.certification_level", "email", "extra.e_mail", "-"]
        );
    }

    #[test]
    fn a_person_overrules_the_guess() {
        let rules = ColumnRules {
            id: Some("Ref".into()),
            map: vec![("Notes".into(), Field::LeftOut), ("Mail 2".into(), Field::Email)],
            ..ColumnRules::default()
        };
        let columns = rules.columns(["id", "Ref", "email", "mail 2", "Notes"]).unwrap();
        let fields: Vec<String> = columns.into_iter().map(|column| column.field.to_string()).collect();
        assert_eq!(fields, ["extra.id", "id", "extra.email", "email", "-"]);
    }

    #[test]
    fn a_missing_column_of_ids_is_an_error_that_lists_the_columns() {
        let error = ColumnRules::default().columns(["Email", "Vorname"]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.remedy().unwrap().contains("--id-column"));
        assert!(error.remedy().unwrap().contains("Email, Vorname"));
    }

    #[test]
    fn a_named_column_that_is_not_there_is_an_error_that_lists_the_columns() {
        let rules = ColumnRules { consent: Some("newsleter".into()), ..ColumnRules::default() };
        let error = rules.columns(["id", "newsletter"]).unwrap_err();
        assert!(error.message().contains("newsleter"));
        assert!(error.remedy().unwrap().contains("id, newsletter"));
    }

    #[test]
    fn consent_is_never_guessed_only_suggested() {
        let columns = ColumnRules::default().columns(["id", "Newsletter", "Opt-in date"]).unwrap();
        assert_eq!(columns[1].field, Field::Extra("newsletter".into()));
        assert_eq!(columns[2].field, Field::Extra("opt_in_date".into()));
        assert_eq!(look_like_consent(&columns), ["Newsletter"]);
        let rules = ColumnRules { consent: Some("newsletter".into()), ..ColumnRules::default() };
        let columns = rules.columns(["id", "Newsletter", "Opt-in date"]).unwrap();
        assert_eq!(columns[1].field, Field::Consent);
        assert_eq!(columns[2].field, Field::ConsentDate);
    }

    #[test]
    fn a_header_that_stands_twice_is_refused() {
        assert!(ColumnRules::default().columns(["id", "a", "a"]).unwrap_err().message().contains("twice"));
    }

    #[test]
    fn a_field_that_is_not_known_is_an_error_that_lists_the_fields() {
        assert!(Field::parse("phnoe").unwrap_err().remedy().unwrap().contains("phone.mobile"));
        assert_eq!(Field::parse("extra.level").unwrap(), Field::Extra("level".into()));
    }
}
