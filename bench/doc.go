// Package bench compares ways to connect two hosts side by side on one machine, so that one can believe the figures: it plans
// a run, measures, and writes a report.
//
// Words. Subjects, measures, metrics, rounds and rows are those of package report. A visit is one subject's part of a round:
// all its measures, one after the other. A stand is a subject that is up. A step is one measure of one visit, or the transfer
// that verifies the subject (Verify), in the first and the last round.
//
// Order. All stands are made at the start and stay up for the whole run; then every round visits subject after subject
// (A B C, A B C, ...), so that what changes on the machine in the meantime meets all of them alike, and a ratio is taken
// between visits of one round. Only one thing is measured at a time, and only one bench at a time runs on a machine.
//
// Always. What is on the disk is a whole report: report.json of a finished run, Unfinished of one that was interrupted. A run
// ends with all stands closed, also by a panic. A step that fails leaves its error where its figure would stand; no figure is
// ever made up, and a check that could not be made has failed.
package bench
