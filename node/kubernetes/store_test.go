package kubernetes

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestWhatIsStoredIsRecalledForTheSameNodeAlone(t *testing.T) {
	dir := t.TempDir()
	if list, err := Recall(dir, "vm-1"); err != nil || list != nil {
		t.Errorf("of nothing: %v, %v", list, err)
	}
	want := prefixes("fd42:1::/64", "10.42.1.0/24")
	must(t, Store(dir, "vm-1", Answer{Server: "https://192.0.2.1:6443", PodCIDRs: want}))
	if list, err := Recall(dir, "vm-1"); err != nil || !slices.Equal(list, want) {
		t.Errorf("%v, %v", list, err)
	}
	if list, err := Recall(dir, "vm-2"); err != nil || list != nil {
		t.Errorf("of another node: %v, %v", list, err)
	}
	file := filepath.Join(dir, StoreFile)
	before, err := os.Stat(file)
	must(t, err)
	must(t, Store(dir, "vm-1", Answer{Server: "https://192.0.2.1:6443", PodCIDRs: want}))
	if after, err := os.Stat(file); err != nil || !os.SameFile(before, after) {
		t.Errorf("the same again was written: %v", err)
	}
}

func TestADamagedStoreIsRefusedWithItsPath(t *testing.T) {
	for _, text := range []string{"", "{", "[]", `{"version":2}`, `{"version":1,"node":"vm-1","pod_cidrs":["x"]}`, `{"version":1,"more":1}`} {
		dir := t.TempDir()
		file := filepath.Join(dir, StoreFile)
		must(t, os.WriteFile(file, []byte(text), 0o600))
		list, err := Recall(dir, "vm-1")
		if err == nil || list != nil {
			t.Fatalf("%q: %v", text, list)
		}
		check(t, err, []string{file})
	}
	if err := Store("/nonexistent", "vm-1", Answer{}); err == nil {
		t.Error("stored nowhere")
	}
}
