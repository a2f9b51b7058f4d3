//! The checks in their order. Each takes what the earlier ones found, and is skipped where there is nothing to check.

use std::sync::Arc;

use super::proof::{self, Document, Proof};
use super::{Admitted, Bench, Policy, Report, Submission, Verdict, lowered};
use crate::codec::{Anatomy, Codec, Limits, Refusal};
use crate::package::{self, Manifest, Opened, Signed};
use crate::profile::{Mistake, Plan, Profile, Severity};
use crate::vectors;

/// What there is to check, whole or not.
#[derive(Default)]
struct Material {
    component: Option<Vec<u8>>,
    profile: Option<String>,
    vectors: Vec<(String, String)>,
    manifest: Option<Manifest>,
    package: Option<String>,
    signers: Vec<String>,
}

pub(super) fn run(submission: &Submission<'_>, bench: &Bench) -> Verdict {
    let mut report = Report::default();
    let material = match submission {
        Submission::Package(bytes) => unpack(bytes, &bench.policy, &mut report),
        Submission::Loose { component, profile, vectors } => {
            bare(&bench.policy, &mut report);
            Material {
                component: Some(component.to_vec()),
                profile: Some((*profile).to_owned()),
                vectors: vectors.to_vec(),
                ..Material::default()
            }
        }
    };
    let codec = material.component.as_deref().and_then(|component| component_of(component, bench, &mut report));
    let profile = material.profile.as_deref().and_then(|text| profile_of(text, &mut report));
    if let Some(manifest) = &material.manifest {
        let findings = contradictions(manifest, profile.as_ref(), codec.as_deref());
        report.made("manifest", format!("{} version {}", manifest.product, manifest.version), findings);
    }
    let plan = match (&codec, &profile) {
        (Some(codec), Some(profile)) => join(codec, profile, &mut report),
        _ => {
            report.skipped("tables", "component or profile is missing");
            None
        }
    };
    let limits = limits_of(material.manifest.as_ref(), bench.host.limits());
    let documents = documents(&material.vectors);
    match (&codec, &plan, &material.component) {
        (Some(codec), Some(plan), Some(component)) => {
            let proof = match &documents {
                Ok(documents) => proof::prove(documents, codec, plan, &bench.host, &limits.0, component),
                Err(_) => Proof::default(),
            };
            tell_proof(proof, documents.err(), limits.1, &limits.0, &mut report);
        }
        _ => {
            match documents {
                Err(mistakes) => report.made("vectors", "they have mistakes", mistakes),
                Ok(_) => report.skipped("vectors", "there is nothing to run them with"),
            }
            report.skipped("determinism", "there is nothing to run");
            report.skipped("limits", "there is nothing to run");
        }
    }
    let admitted = match (report.is_admitted(), codec, profile, plan) {
        (true, Some(codec), Some(profile), Some(plan)) => Some(Box::new(Admitted {
            codec,
            profile,
            profile_text: material.profile.unwrap_or_default(),
            plan,
            component: material.component.unwrap_or_default(),
            manifest: material.manifest,
            package: material.package,
            signers: material.signers,
            limits: limits.0,
        })),
        _ => None,
    };
    Verdict { report, admitted }
}

fn unpack(bytes: &[u8], policy: &Policy, report: &mut Report) -> Material {
    let Opened { mut files, manifest, signatures, mistakes } = package::open(bytes);
    let whole = mistakes.is_empty();
    let digest = package::digest(&files);
    let detail =
        if whole { format!("{} files, {} bytes, {digest}", files.len(), bytes.len()) } else { format!("{} bytes", bytes.len()) };
    report.made("package", detail, mistakes);
    let mut signers = Vec::new();
    if whole {
        let signed = package::verify(&files, &signatures, &policy.trust);
        let (detail, findings) = judge(&signed, policy);
        report.made("signature", detail, findings);
        signers.extend(signed.into_iter().filter_map(|one| if let Signed::By(name) = one { Some(name) } else { None }));
    } else {
        report.skipped("signature", "the package has mistakes");
    }
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let (component, profile) = (files.remove(package::COMPONENT), files.remove(package::PROFILE).map(text));
    let vectors = files.into_iter().filter(|(path, _)| path.starts_with(package::VECTORS));
    let vectors = vectors.map(|(path, bytes)| (path, text(bytes))).collect();
    Material { component, profile, vectors, manifest, package: Some(digest), signers }
}

fn judge(signed: &[Signed], policy: &Policy) -> (String, Vec<Mistake>) {
    let mut findings = Vec::new();
    let mut names = Vec::new();
    for one in signed {
        match one {
            Signed::By(name) => names.push(name.as_str()),
            Signed::Broken(key) => {
                let reason = format!("the signature of key {} does not fit: a file was changed after it was signed", key.id());
                let fix = "get the package again from who signed it, or sign it again";
                findings.push(finding(package::SIGNATURE, "E1171", reason, fix));
            }
            Signed::ByStranger(key) => {
                let reason = format!("signed by key {} ({key}), which is not trusted here", key.id());
                let fix = "add the key to `codec.trust` of the configuration, if you know whose it is";
                findings.push(warning(package::SIGNATURE, "E1172", reason, fix));
            }
        }
    }
    if policy.require_signature && names.is_empty() {
        findings.push(unsigned());
    }
    let detail = match (names.is_empty(), signed.is_empty()) {
        (false, _) => format!("by {}", names.join(", ")),
        (true, true) => "none".to_owned(),
        (true, false) => "by nobody who is trusted".to_owned(),
    };
    (detail, findings)
}

fn bare(policy: &Policy, report: &mut Report) {
    let findings = if policy.require_signature { vec![unsigned()] } else { Vec::new() };
    report.made("signature", "none: no package", findings);
}

fn unsigned() -> Mistake {
    let fix = "hand in a package that was signed with `codecgate plugin sign` by one of them";
    finding(package::SIGNATURE, "E1173", "this gateway takes only what is signed by a trusted key", fix)
}

fn component_of(component: &[u8], bench: &Bench, report: &mut Report) -> Option<Arc<Codec>> {
    let anatomy = Anatomy::read(component).unwrap_or_default();
    let (codec, mut findings) = match bench.host.admit(component) {
        Ok(codec) => (Some(codec), Vec::new()),
        Err(refusals) => (None, refusals.into_iter().map(refused).collect()),
    };
    for stray in anatomy.exports.iter().filter(|name| !name.starts_with("codecgate:codec/codec@")) {
        let reason = format!("it also exports `{stray}`, which nobody calls");
        findings.push(warning(package::COMPONENT, "E1023", reason, "remove the export"));
    }
    let detail = match &codec {
        Some(codec) => {
            let described = codec.description();
            format!("{} {}, {} bytes, {}", described.name, described.version, component.len(), codec.digest())
        }
        None => format!("{} bytes", component.len()),
    };
    report.made("component", detail, findings);
    codec
}

fn profile_of(text: &str, report: &mut Report) -> Option<Profile> {
    match Profile::parse(package::PROFILE, text) {
        Ok(profile) => {
            report.made("profile", profile.summary(), profile.warnings().to_vec());
            Some(profile)
        }
        Err(mistakes) => {
            report.made("profile", "it has mistakes", mistakes);
            None
        }
    }
}

/// What the manifest says and the other parts say otherwise.
fn contradictions(manifest: &Manifest, profile: Option<&Profile>, codec: Option<&Codec>) -> Vec<Mistake> {
    let mut findings = Vec::new();
    let at = |pointer: &str, mistake: Mistake| Mistake { pointer: pointer.to_owned(), ..mistake };
    if let Some(profile) = profile.filter(|profile| profile.key() != manifest.product) {
        let reason = format!("it is for {}, the profile for {}", manifest.product, profile.key());
        findings
            .push(at("/model", finding(package::MANIFEST, "E1124", reason, "write manufacturerId and model as in profile.json")));
    }
    if let Some(codec) = codec.filter(|codec| codec.description().version != manifest.version) {
        let reason = format!("it is version {}, the component calls itself {}", manifest.version, codec.description().version);
        findings.push(at("/version", finding(package::MANIFEST, "E1125", reason, "give both the same version, and build again")));
    }
    if !Codec::speaks(&manifest.interface) {
        let reason =
            format!("it was built against interface {}, this gateway speaks {}", manifest.interface, Codec::INTERFACE_VERSION);
        findings
            .push(at("/interface", finding(package::MANIFEST, "E1126", reason, "build against wit/v1, or update the gateway")));
    }
    findings
}

fn join(codec: &Codec, profile: &Profile, report: &mut Report) -> Option<Plan> {
    match Plan::join(profile, codec.description()) {
        Ok(plan) => {
            let described = codec.description();
            let detail =
                format!("{} services and {} commands fit the profile", described.services.len(), described.commands.len());
            report.made("tables", detail, plan.warnings().to_vec());
            Some(plan)
        }
        Err(mistakes) => {
            report.made("tables", "the codec does not fit the profile", mistakes);
            None
        }
    }
}

/// The limits that it works under, and the wishes that change nothing.
fn limits_of(manifest: Option<&Manifest>, host: &Limits) -> (Limits, Vec<Mistake>) {
    let Some(wishes) = manifest.map(|manifest| &manifest.wishes) else { return (host.clone(), Vec::new()) };
    let limits = lowered(host, wishes);
    let asked = [
        ("memory_mib", wishes.memory_mib.is_some_and(|wish| wish.saturating_mul(1 << 20) > host.memory_bytes)),
        ("deadline_ms", wishes.deadline_ms.is_some_and(|wish| wish > host.deadline_ms)),
        ("payload_bytes", wishes.payload_bytes.is_some_and(|wish| wish > host.payload_bytes)),
        ("messages", wishes.messages.is_some_and(|wish| wish > host.messages)),
        ("output_bytes", wishes.output_bytes.is_some_and(|wish| wish > host.output_bytes)),
        ("log_lines", wishes.log_lines.is_some_and(|wish| wish > host.log_lines)),
        ("calls_per_instance", wishes.calls_per_instance.is_some_and(|wish| wish > host.calls_per_instance)),
    ];
    let tell = |key: &str| {
        let reason = "the wish is above the gateway's own limit, which stays as it is";
        let told = warning(package::MANIFEST, "E1162", reason, "a wish only lowers a limit: ask the operator");
        Mistake { pointer: format!("/limits/{key}"), ..told }
    };
    (limits, asked.iter().filter(|(_, above)| *above).map(|(key, _)| tell(key)).collect())
}

fn documents(texts: &[(String, String)]) -> Result<Vec<Document>, Vec<Mistake>> {
    let mut mistakes = Vec::new();
    let mut documents = Vec::new();
    for (path, text) in texts {
        match vectors::parse(text) {
            Ok(vectors) => documents.push(Document { path: path.clone(), vectors }),
            Err(found) => {
                mistakes.extend(found.into_iter().map(|reason| finding(path, "E1130", reason, "see plugin-sdk/VECTORS.md")))
            }
        }
    }
    if mistakes.is_empty() { Ok(documents) } else { Err(mistakes) }
}

fn tell_proof(proof: Proof, unread: Option<Vec<Mistake>>, mut wishes: Vec<Mistake>, limits: &Limits, report: &mut Report) {
    let Proof { run, vectors, determinism, limits: near, costs, slowest, complete } = proof;
    if let Some(mistakes) = unread {
        report.made("vectors", "they have mistakes", mistakes);
        report.skipped("determinism", "the vectors have mistakes");
        report.made("limits", "not measured: the vectors have mistakes", wishes);
        return;
    }
    if run == 0 && vectors.is_empty() {
        let is_unfit = near.iter().any(|finding| finding.severity == Severity::Error);
        wishes.extend(near);
        if is_unfit {
            report.skipped("vectors", "no instance fits the limits");
            report.skipped("determinism", "no vector was run");
            report.made("limits", "no instance fits them", wishes);
            return;
        }
        let reason = "there are no vectors: nothing shows that the codec is right";
        report.made("vectors", "none", vec![warning("vectors", "E1131", reason, "write vectors/*.json")]);
        report.made("determinism", "nothing to compare: there are no vectors", Vec::new());
        report.made("limits", "not measured: there are no vectors", wishes);
        return;
    }
    let failed = vectors.iter().filter(|finding| finding.code != "E1143").count();
    report.made("vectors", format!("{} of {run} hold", run - failed.min(run)), vectors);
    if complete || !determinism.is_empty() {
        report.made("determinism", "same answers and same fuel in other instances", determinism);
    } else {
        report.skipped("determinism", "not every vector was run");
    }
    let most = costs.iter().map(|cost| cost.fuel).max().unwrap_or_default();
    let memory = costs.iter().map(|cost| cost.memory_bytes).max().unwrap_or_default();
    wishes.extend(near);
    let detail = format!(
        "at most {most} fuel, {} KiB of {} KiB of memory, {} us by the clock",
        memory >> 10,
        limits.memory_bytes >> 10,
        slowest.as_micros()
    );
    report.made("limits", detail, wishes);
    report.costs = costs;
}

pub(super) fn finding(file: &str, code: &'static str, reason: impl Into<String>, fix: impl Into<String>) -> Mistake {
    let (file, pointer, severity) = (file.to_owned(), String::new(), Severity::Error);
    Mistake { file, pointer, severity, code, reason: reason.into(), fix: fix.into() }
}

fn warning(file: &str, code: &'static str, reason: impl Into<String>, fix: impl Into<String>) -> Mistake {
    Mistake { severity: Severity::Warning, ..finding(file, code, reason, fix) }
}

pub(super) fn refused(refusal: Refusal) -> Mistake {
    finding(package::COMPONENT, refusal.code, refusal.cause, refusal.fix)
}
