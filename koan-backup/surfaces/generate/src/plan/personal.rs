//! Recognizes columns that look personal by their names.

use super::identifier::words;

/// The words that only personal data has in its name.
const PERSONAL_WORDS: &[&str] = &[
    "address",
    "birth",
    "birthday",
    "birthdate",
    "cellphone",
    "dob",
    "email",
    "fax",
    "firstname",
    "gender",
    "iban",
    "lastname",
    "mail",
    "mobile",
    "nationality",
    "passport",
    "password",
    "phone",
    "postcode",
    "religion",
    "salary",
    "sex",
    "ssn",
    "street",
    "surname",
    "telephone",
    "username",
    "zip",
];

/// The pairs of words that only personal data has in its name.
const PERSONAL_PAIRS: &[(&str, &str)] = &[
    ("credit", "card"),
    ("family", "name"),
    ("first", "name"),
    ("full", "name"),
    ("given", "name"),
    ("ip", "address"),
    ("last", "name"),
    ("maiden", "name"),
    ("middle", "name"),
    ("postal", "code"),
    ("tax", "id"),
    ("user", "name"),
];

/// Returns whether the name of a column is one that columns with personal data have.
pub(super) fn looks_personal(column: &str) -> bool {
    let words: Vec<String> = words(column).iter().map(|word| word.to_lowercase()).collect();
    words.iter().any(|word| PERSONAL_WORDS.contains(&word.as_str()))
        || words.windows(2).any(|pair| PERSONAL_PAIRS.contains(&(pair[0].as_str(), pair[1].as_str())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_personal_columns_are_recognized() {
        for column in ["Email", "user_email", "FirstName", "home_phone", "date_of_birth", "BillingPostalCode"]
        {
            assert!(looks_personal(column), "{column}");
        }
        for column in ["name", "title", "UnitPrice", "mailing_count", "genre"] {
            assert!(!looks_personal(column), "{column}");
        }
    }
}
