package main

import (
	"fmt"
	"os"

	"github.com/shoal-dev/shoal/plugins/registry"
)

// checkConfig refuses what kube-scheduler would find later or never, each thing with the place where it stands.
func checkConfig(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("reading the configuration: %w", err)
	}
	_, problems := registry.Check(text)
	if err := registry.Error(problems); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}
