//! Holds the parts of Grafana's dashboard format that are used, in the order in which they are written.

use serde::Serialize;

/// A dashboard, as Grafana imports it.
///
/// # Source
/// Type `Dashboard` of npm `@grafana/schema`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Dashboard {
    pub(super) uid: &'static str,
    pub(super) title: &'static str,
    pub(super) tags: [&'static str; 1],
    pub(super) timezone: &'static str,
    pub(super) schema_version: u32,
    pub(super) version: u32,
    pub(super) editable: bool,
    pub(super) refresh: &'static str,
    pub(super) time: TimeRange,
    pub(super) graph_tooltip: u32,
    pub(super) templating: List<Variable>,
    pub(super) annotations: List<()>,
    /// The panels, rows among them, from the top.
    pub panels: Vec<Panel>,
}

impl Dashboard {
    /// Returns the file's text.
    ///
    /// # Errors
    /// Never in practice: every part is a plain text, number or list.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(self).map(|text| text + "\n")
    }
}

#[derive(Debug, Serialize)]
pub(super) struct TimeRange {
    pub(super) from: &'static str,
    pub(super) to: &'static str,
}

#[derive(Debug, Serialize)]
pub(super) struct List<T> {
    pub(super) list: Vec<T>,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Datasource {
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) uid: &'static str,
}

/// The data source that the reader chose.
pub(super) const CHOSEN: Datasource = Datasource { kind: "prometheus", uid: "${datasource}" };

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Variable {
    pub(super) name: &'static str,
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) datasource: Option<Datasource>,
    pub(super) query: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) include_all: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) multi: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) refresh: Option<u32>,
    pub(super) current: Choice,
    pub(super) options: [(); 0],
}

#[derive(Debug, Serialize)]
pub(super) struct Choice {
    pub(super) text: &'static str,
    pub(super) value: &'static str,
}

/// A panel, or the heading of a row of panels.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Panel {
    pub(super) id: u32,
    /// `row`, `stat`, `timeseries` or `heatmap`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// What stands above it.
    pub title: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) datasource: Option<Datasource>,
    pub(super) grid_pos: GridPos,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) collapsed: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) panels: Option<[(); 0]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) field_config: Option<FieldConfig>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) options: Option<Options>,
    /// What it shows.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<Target>,
}

#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct GridPos {
    pub(super) x: u32,
    pub(super) y: u32,
    pub(super) w: u32,
    pub(super) h: u32,
}

#[derive(Debug, Serialize)]
pub(super) struct FieldConfig {
    pub(super) defaults: Defaults,
    pub(super) overrides: [(); 0],
}

#[derive(Debug, Serialize)]
pub(super) struct Defaults {
    pub(super) unit: &'static str,
    pub(super) custom: Custom,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Custom {
    /// Quantiles of histograms that nothing moved are gaps: lines go on across them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) span_nulls: Option<bool>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Options {
    /// Of a heatmap: the buckets are given, not to be calculated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) calculate: Option<bool>,
    /// Of a stat: the series' name when there may be several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) text_mode: Option<&'static str>,
}

/// One query of a panel.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Target {
    pub(super) ref_id: String,
    pub(super) datasource: Datasource,
    /// The `PromQL`, with `$job`, `$instance` and `$__rate_interval` to be replaced.
    pub expr: String,
    pub(super) legend_format: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) format: Option<&'static str>,
}
