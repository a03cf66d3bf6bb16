// Package render shows a report of the bench: as a table on the terminal, and as a page with charts.
//
// Words. A chart is one SVG file; a panel is one of the parts of a chart that stand side by side and share the names at its
// left edge. A mark is a sign behind a figure that a footnote explains. A note is what is said in words beside a figure.
//
// Always. Nothing is computed anew: medians, spreads and ratios are those of the report, which may have been written by
// another version. The same report gives the same bytes. What a report says (names, reasons, errors) is escaped wherever it
// goes. A figure that is missing is shown as missing, never as 0.
//
// All functions are pure but for what they write, and safe to use concurrently.
package render
