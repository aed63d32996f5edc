// Package lint says what is wrong with files before they reach a cluster: objects of Shoal's kinds, configurations of the
// scheduler, and labels of Shoal's on whatever carries them. It judges with the code of those who will read the files: the API
// server's for CRDs (package crd), the scheduler's at its start (plugins/registry), and the arithmetic of the policy's status
// (placement). It decides from the text of the files alone, and reads neither files nor a cluster.
package lint
