package ipam

import (
	"strings"
	"testing"
)

func TestAnAddressOrAContainerIsFoundAmongWhatIsHeld(t *testing.T) {
	rests := held("rests", "", "10.0.0.9")
	rests.State = Released
	second := held("abcdef01", "", "10.0.0.4")
	second.IfName = "eth1"
	records := []Record{held("abcdef01", "", "10.0.0.2", "fd00::2"), held("abcdef99", "", "10.0.0.3"), second, rests, held("abc", "", "10.0.0.5")}
	for _, test := range []struct{ text, want string }{
		{"10.0.0.3", "abcdef99/eth0"},
		{"fd00::2", "abcdef01/eth0"},
		{"::ffff:10.0.0.4", "abcdef01/eth1"},
		{"abcdef01", "abcdef01/eth0 abcdef01/eth1"},
		{"abcdef0", "abcdef01/eth0 abcdef01/eth1"},
		{"abc", "abc/eth0"},
		{"abcd", "error: more than one"},
		{"ab", "error: no address is held by a container"},
		{"rests", "error: no address is held"},
		{"10.0.0.9", "error: default/rests released it"},
		{"10.0.0.77", "error: nobody holds it"},
		{"", "error: no address is held"},
	} {
		found, err := Find(records, test.text)
		var got []string
		for _, r := range found {
			got = append(got, r.Key.String())
		}
		if want, fails := strings.CutPrefix(test.want, "error: "); fails && (err == nil || !strings.Contains(err.Error(), want)) || !fails && (err != nil || strings.Join(got, " ") != want) {
			t.Errorf("%q: %v %v, want %s", test.text, got, err, test.want)
		}
	}
}

func TestTheInterfacesOfThisHostAreListed(t *testing.T) {
	names, err := Interfaces()
	if err != nil || !names["lo"] {
		t.Errorf("%v %v", names, err)
	}
}
