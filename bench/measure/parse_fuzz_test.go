package measure

import "testing"

func FuzzWhatOthersWroteIsReadOrRefused(f *testing.F) {
	f.Add([]byte("5 (a) S 1 (b) R 4 5 5 0 -1 64 0 0 0 0 10 20 30 40 20 0 1 0 99 0 0"))
	f.Add([]byte("cpu  100 20 30 1000 5 6 7 8 50 0\n"))
	f.Add([]byte("Tcp: MaxConn RetransSegs\nTcp: -1 7\n"))
	f.Add([]byte("Ip6FragCreates 3\n"))
	f.Add([]byte("VmHWM:\t   20480 kB\nVmRSS:\t   10240 kB\n"))
	f.Add([]byte(`{"end":{"sum_sent":{},"sum_received":{"bytes":5,"bits_per_second":8}}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		ignore := func(string, uint64) {}
		_, _ = parseProc(raw)
		_, _ = parseProcessor(string(raw))
		_ = parsePairs(string(raw), ignore)
		_ = parseLines(string(raw), ignore)
		_, _ = parseBacklog(string(raw))
		_, _, _ = parseResident(string(raw))
		_ = hasListener(string(raw), iperfPort)
		if got, err := parseTransfer(raw, false); err == nil && (got.Bytes == 0 || got.Up <= 0) {
			t.Errorf("a transfer of nothing passed: %+v", got)
		}
	})
}
