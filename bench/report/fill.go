package report

// Fill computes Stats, Ratios, Detail and Busy of every row from its Rounds. Ratios are taken to the rows of the same metric
// of each subject in references, over the rounds in which both have a figure; the row of a reference itself gets its own
// ratio (1) as well. What cannot be computed stays nil.
func Fill(r *Report, references []string) {}
