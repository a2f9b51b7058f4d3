//! A mistake of a document: where it is, what is wrong, what to do; and the list that collects all of them.
//!
//! Knows no document format. The codes are told to people in `profiles/README.md`, and a test holds both lists together.

use std::fmt;

/// One deviation of a document. All of a document's are reported together.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Mistake {
    /// Which file, such as `service/Meter/profile/servicetype-capability.json`.
    pub file: String,
    /// JSON pointer into it, empty for the whole file.
    pub pointer: String,
    /// Error or warning.
    pub severity: Severity,
    /// Stable code, such as `E2104`.
    pub code: &'static str,
    /// What is wrong.
    pub reason: String,
    /// What to do.
    pub fix: String,
}

/// `error[E2102] profile.json#/services/0/properties/3/name: ...`, then the fix on a line of its own.
impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(f, "{severity}[{}] {}", self.code, self.file)?;
        if !self.pointer.is_empty() {
            write!(f, "#{}", self.pointer)?;
        }
        write!(f, ": {}\n  fix: {}", self.reason, self.fix)
    }
}

/// How bad a mistake is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The document is refused.
    Error,
    /// The document is taken.
    Warning,
}

/// A place in a file: the file's name and a JSON pointer (RFC 6901).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct At {
    pub(crate) file: String,
    pub(crate) pointer: String,
}

impl At {
    pub(crate) fn file(file: &str) -> Self {
        Self { file: file.to_owned(), pointer: String::new() }
    }

    pub(crate) fn key(&self, key: &str) -> Self {
        let mut place = self.clone();
        place.pointer.push('/');
        place.pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
        place
    }

    pub(crate) fn item(&self, index: usize) -> Self {
        self.key(&index.to_string())
    }
}

/// All mistakes found so far, in the order in which they were found, each told once.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    list: Vec<Mistake>,
}

impl Findings {
    pub(crate) fn error(&mut self, at: &At, code: &'static str, reason: impl Into<String>, fix: impl Into<String>) {
        self.add(Severity::Error, at, code, reason, fix);
    }

    pub(crate) fn warning(&mut self, at: &At, code: &'static str, reason: impl Into<String>, fix: impl Into<String>) {
        self.add(Severity::Warning, at, code, reason, fix);
    }

    pub(crate) fn add(
        &mut self,
        severity: Severity,
        at: &At,
        code: &'static str,
        reason: impl Into<String>,
        fix: impl Into<String>,
    ) {
        let (file, pointer) = (at.file.clone(), at.pointer.clone());
        self.push(Mistake { file, pointer, severity, code, reason: reason.into(), fix: fix.into() });
    }

    pub(crate) fn push(&mut self, mistake: Mistake) {
        if !self.list.contains(&mistake) {
            self.list.push(mistake);
        }
    }

    pub(crate) fn has_errors(&self) -> bool {
        self.list.iter().any(|mistake| mistake.severity == Severity::Error)
    }

    /// The warnings if there is no error, else everything.
    pub(crate) fn verdict(self) -> Result<Vec<Mistake>, Vec<Mistake>> {
        if self.has_errors() { Err(self.list) } else { Ok(self.list) }
    }

    pub(crate) fn into_list(self) -> Vec<Mistake> {
        self.list
    }
}

/// The text in back quotes, cut if it is long, control characters escaped: for reasons.
pub(crate) fn quote(text: &str) -> String {
    let plain = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    let mut shown: String = text.chars().take(80).map(plain).collect();
    if text.chars().nth(80).is_some() {
        shown.push_str("...");
    }
    format!("`{shown}`")
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal,)*) => {
        /// The stable codes; `profiles/README.md` tells cause and fix of each.
        pub mod code {
            $($(#[$doc])* pub const $name: &str = $code;)*
            /// Every code.
            pub const ALL: &[&str] = &[$($code),*];
        }
    };
}

codes! {
    /// Not JSON, or not UTF-8.
    NOT_JSON = "E2001",
    /// A key that the format does not have.
    UNKNOWN_KEY = "E2002",
    /// A key that must be there is not.
    MISSING_KEY = "E2003",
    /// Another JSON type.
    WRONG_TYPE = "E2004",
    /// Not one of the words that are possible.
    NOT_ALLOWED = "E2005",
    /// A text of the wrong form.
    BAD_TEXT = "E2006",
    /// Too long, too short, too many, too few, too large, too small.
    OUT_OF_BOUNDS = "E2007",
    /// Another rule of the schema.
    STRUCTURE = "E2008",
    /// The document is larger than a profile may be.
    TOO_BIG = "E2009",
    /// Two services with one id.
    DUPLICATE_SERVICE = "E2101",
    /// Two properties with one name.
    DUPLICATE_PROPERTY = "E2102",
    /// Two commands with one name.
    DUPLICATE_COMMAND = "E2103",
    /// Two parameters or response fields with one name.
    DUPLICATE_PARAMETER = "E2104",
    /// Two messages with one numeric id.
    DUPLICATE_NUMBER = "E2105",
    /// `min` above `max`.
    MIN_ABOVE_MAX = "E2106",
    /// An enum without values.
    EMPTY_ENUM = "E2107",
    /// A value listed twice.
    REPEATED_ENUM_VALUE = "E2108",
    /// A `schema` that is no JSON Schema.
    BAD_VALUE_SCHEMA = "E2109",
    /// A limit that the type does not have.
    NO_EFFECT = "E2110",
    /// A step of 0.
    ZERO_STEP = "E2111",
    /// A name against the platforms' custom.
    NAMING_STYLE = "E2112",
    /// A service with nothing in it.
    EMPTY_SERVICE = "E2113",
    /// Not a zip.
    NOT_A_ZIP = "E2201",
    /// A damaged zip.
    DAMAGED_ZIP = "E2202",
    /// More or larger entries than a package may have.
    PACKAGE_TOO_BIG = "E2203",
    /// An entry that points outside, or is no file.
    UNSAFE_ENTRY = "E2204",
    /// An encrypted entry.
    ENCRYPTED_ENTRY = "E2205",
    /// Two entries with one name.
    DUPLICATE_ENTRY = "E2206",
    /// The file name is not three parts and `.zip`.
    BAD_FILE_NAME = "E2207",
    /// The parts of the file name are not those in the document.
    FILE_NAME_DIFFERS = "E2208",
    /// A hidden file.
    HIDDEN_ENTRY = "E2209",
    /// A file or folder that does not belong there.
    UNEXPECTED_ENTRY = "E2210",
    /// No `profile/devicetype-capability.json`.
    NO_DEVICE_FILE = "E2211",
    /// A service that is named has no file.
    NO_SERVICE_FILE = "E2212",
    /// A service file that nothing names.
    UNUSED_SERVICE = "E2213",
    /// A service file at the wrong depth.
    MISPLACED_SERVICE_FILE = "E2214",
    /// A misspelt file or folder name.
    MISSPELT_ENTRY = "E2215",
    /// Not exactly one device.
    NOT_ONE_DEVICE = "E2216",
    /// `serviceType` is not the folder's name.
    SERVICE_TYPE_DIFFERS = "E2217",
    /// Not an array where one must be.
    NOT_AN_ARRAY = "E2218",
    /// A key of a vendor document is missing or has another type.
    VENDOR_KEY = "E2219",
    /// A `dataType` that does not exist.
    UNKNOWN_TYPE = "E2220",
    /// A limit that is no number.
    BAD_LIMIT = "E2221",
    /// Letters other than R, W, E.
    BAD_METHOD = "E2222",
    /// No `model`.
    NO_MODEL = "E2223",
    /// A `protocolType` that the platforms do not know.
    UNKNOWN_PROTOCOL = "E2224",
    /// Content that is not carried over.
    NOT_CARRIED_OVER = "E2225",
    /// A key of a vendor document that is not known.
    UNKNOWN_VENDOR_KEY = "E2226",
    /// A spelling that differs in a harmless way.
    LAX_SPELLING = "E2227",
    /// Not a service table.
    TABLE_FORM = "E2231",
    /// No service id.
    BAD_SERVICE_ID = "E2232",
    /// A kind of service that does not exist.
    UNKNOWN_KIND = "E2233",
    /// A parameter that names no property.
    UNKNOWN_PROPERTY = "E2234",
    /// A length that the type cannot have.
    PARAMETER_LENGTH = "E2235",
    /// One service described in two ways.
    SERVICE_CONTRADICTS = "E2236",
    /// A response without, or with another's, command.
    RESPONSE_OF_WHOM = "E2237",
    /// Nothing says whose table it is.
    NO_PRODUCT = "E2238",
    /// The codec reports a service that the profile lacks.
    CODEC_SERVICE = "E2301",
    /// The codec reports a property that the profile lacks.
    CODEC_PROPERTY = "E2302",
    /// The codec encodes a command that the profile lacks.
    CODEC_COMMAND = "E2303",
    /// The codec wants a parameter that the profile lacks.
    CODEC_PARAMETER = "E2304",
    /// The codec answers with a field that the profile lacks.
    CODEC_RESPONSE = "E2305",
    /// The codec has another type.
    CODEC_TYPE = "E2306",
    /// The codec lists something twice.
    CODEC_DUPLICATE = "E2307",
    /// The codec does not know what the profile has.
    CODEC_PARTIAL = "E2308",
    /// No such service.
    NO_SERVICE = "E2401",
    /// No such command.
    NO_COMMAND = "E2402",
    /// The parameters are no object.
    PARAMS_NOT_OBJECT = "E2403",
    /// No such parameter.
    UNKNOWN_PARAMETER = "E2404",
    /// A required parameter is missing.
    MISSING_PARAMETER = "E2405",
    /// A parameter of another type.
    PARAMETER_TYPE = "E2406",
    /// A parameter outside its limits.
    PARAMETER_LIMIT = "E2407",
    /// A parameter that the active codec cannot encode.
    PARAMETER_NOT_ENCODED = "E2408",
    /// Two messages with one name.
    DUPLICATE_MESSAGE = "E2501",
    /// Two fields of a message with one name.
    DUPLICATE_FIELD = "E2502",
    /// A service that the profile lacks, or none named.
    LAYOUT_SERVICE = "E2503",
    /// A value that the profile lacks.
    LAYOUT_VALUE = "E2504",
    /// A command that the profile lacks, or none named.
    LAYOUT_COMMAND = "E2505",
    /// A field that cannot have the profile's type.
    LAYOUT_TYPE = "E2506",
    /// A key that the type does not have.
    LAYOUT_KEY = "E2507",
    /// A length that is missing or cannot be.
    LAYOUT_LENGTH = "E2508",
    /// A default that is not hexadecimal.
    DEFAULT_NOT_HEX = "E2509",
    /// A default that does not fit its field.
    DEFAULT_LENGTH = "E2510",
    /// Two fields share bytes.
    OFFSET_OVERLAP = "E2511",
    /// An offset that contradicts the length.
    OFFSET_CONTRADICTS = "E2512",
    /// An offset after a field of variable length.
    OFFSET_UNKNOWN = "E2513",
    /// A length field that is missing or no unsigned integer.
    LENGTH_FIELD = "E2514",
    /// A length field after its value.
    LENGTH_FIELD_AFTER = "E2515",
    /// A length field of two values.
    LENGTH_FIELD_TWICE = "E2516",
    /// A messageId that is no integer or has no default.
    MESSAGE_ID_TYPE = "E2517",
    /// Two messages of one direction with one messageId.
    MESSAGE_ID_DUPLICATE = "E2518",
    /// A messageId at another position.
    MESSAGE_ID_POSITION = "E2519",
    /// Messages that cannot be told apart.
    AMBIGUOUS_MESSAGES = "E2520",
    /// A command with a response lacks a mid.
    MID_MISSING = "E2521",
    /// A mid at another position in the response.
    MID_POSITION = "E2522",
    /// A mid that has not two bytes.
    MID_TYPE = "E2523",
    /// A role that this kind of message does not have.
    ROLE_MISPLACED = "E2524",
    /// A role twice in one message.
    ROLE_TWICE = "E2525",
    /// A field after an optional one that is not optional.
    OPTIONAL_ORDER = "E2526",
    /// A list of words that cannot be.
    BAD_WORDS = "E2527",
    /// A scale that cannot be.
    BAD_SCALE = "E2528",
    /// An answer where none can be.
    ANSWER_MISPLACED = "E2529",
    /// An echo of a field that cannot be found.
    ECHO_UNKNOWN = "E2530",
    /// Two messages for one command.
    COMMAND_TWICE = "E2531",
    /// A response to a command without a message.
    RESPONSE_WITHOUT_COMMAND = "E2532",
    /// A value twice in one message.
    VALUE_TWICE = "E2533",
    /// A value in two types.
    VALUE_TYPES_DIFFER = "E2534",
    /// The layout does not fit the interpreter.
    LAYOUT_TOO_LARGE = "E2535",
    /// The interpreter does not take it.
    LAYOUT_NOT_INTERPRETED = "E2536",
    /// A response that cannot fail.
    NO_ERRCODE = "E2537",
    /// A command that the active codec does not know.
    COMMAND_NOT_ENCODED = "E2901",
}
