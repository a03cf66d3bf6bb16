package between

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"
)

// FileName is the name of the report in its directory.
const FileName = "between.json"

// Write puts the report into dir, which is made if need be, as FileName. A reader finds the old report or the new one.
func Write(dir string, r *Report) error {
	raw, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("between: write the report: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("between: write the report: %w", err)
	}
	if err := renameio.WriteFile(filepath.Join(dir, FileName), append(raw, '\n'), 0o644); err != nil {
		return fmt.Errorf("between: write the report: %w", err)
	}
	return nil
}
