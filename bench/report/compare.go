package report

// Compare tells what changed from one run to another. Rows are matched by subject and metric.
func Compare(old, new *Report) *Comparison {
	return &Comparison{}
}
