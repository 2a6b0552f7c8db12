# Completion of kachel for bash: source it, or install it as
# /usr/share/bash-completion/completions/kachel. It asks `kachel --help` what there is, so that it
# never lags behind.

_kachel_words() {
  # Options and subcommands that the help of this command lists.
  kachel "$@" --help 2>/dev/null | awk '
    /^Options:/ || /^OPTIONS:/ {part = "options"; next}
    /^Subcommands:/ || /^SUBCOMMANDS:/ {part = "commands"; next}
    /^[^ ]/ {part = ""}
    part == "options" && /^ +-/ {
      n = split($0, words, /[ ,]+/)
      for (i = 1; i <= n; ++i) if (words[i] ~ /^--/) print words[i]
    }
    part == "commands" && /^  [a-z]/ {print $1}'
}

_kachel() {
  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} commands=() i
  case $before in
    --data | --from-copy) mapfile -t COMPREPLY < <(compgen -d -- "$word"); return ;;
    --receipt | --checkpoint | --resume | --users | --trace | --values) mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
    --state) mapfile -t COMPREPLY < <(compgen -W "live dead held all" -- "$word"); return ;;
    --protocol) mapfile -t COMPREPLY < <(compgen -W "redis memcached" -- "$word"); return ;;
    --arrivals) mapfile -t COMPREPLY < <(compgen -W "poisson even" -- "$word"); return ;;
    --phase) mapfile -t COMPREPLY < <(compgen -W "load run cold restart load,run load,run,restart" -- "$word"); return ;;
    --key-distribution) mapfile -t COMPREPLY < <(compgen -W "uniform zipf sequential" -- "$word"); return ;;
    --format) mapfile -t COMPREPLY < <(compgen -W "table jsonl csv" -- "$word"); return ;;
  esac
  for ((i = 1; i < COMP_CWORD; ++i)); do
    case ${COMP_WORDS[i]} in
      -*) break ;;
      *) commands+=("${COMP_WORDS[i]}") ;;
    esac
  done
  mapfile -t COMPREPLY < <(compgen -W "$(_kachel_words "${commands[@]}")" -- "$word")
}
complete -o filenames -F _kachel kachel
