// The parts of the completion scripts that are the same for each peeper. They read the tables that
// completion.cpp writes before them. Internal to completion.cpp.
#pragma once

namespace peeper::cli {

// Means the same in both shells.
inline constexpr const char* kLookText = R"sh(
# The words between "peeper" and the cursor: what may come next (peeper_kind), the command, the word
# behind it, and the socket that was given. peeper_plain: no option may come.
_peeper_look() {
  local word option='' place=0
  peeper_kind='' peeper_command='' peeper_server='' peeper_socket='' peeper_plain=''
  for word in "$@"; do
    if [[ -n $option ]]; then
      case $option in -s|--socket) peeper_socket=$word ;; esac
      option=''
    elif [[ -z $peeper_plain && $word == -- ]]; then
      peeper_plain=1
    elif [[ -z $peeper_plain && $word == --*=* ]]; then
      case $word in --socket=*) peeper_socket=${word#*=} ;; esac
    elif [[ -z $peeper_plain && $word == -?* ]]; then
      if _peeper_value "$peeper_command:$word"; then option=$word; fi
    elif [[ -z $peeper_command ]]; then
      peeper_command=$word
    else
      place=$((place + 1))
      if [[ $place -eq 1 ]]; then peeper_server=$word; fi
      if [[ $place -eq 2 ]]; then
        case " $_peeper_with_rest " in *" $peeper_command "*)
          peeper_kind=nothing peeper_plain=1
          return ;;
        esac
      fi
    fi
  done
  if [[ -n $option ]]; then
    _peeper_value "$peeper_command:$option"
    peeper_kind=$REPLY peeper_plain=1
  elif [[ -z $peeper_command ]]; then
    peeper_kind=commands
  else
    _peeper_place "$peeper_command:$((place + 1))"
    peeper_kind=$REPLY
  fi
}

# The names of the servers that the running peeperd has; of its groups too, if $2 is "names".
# Nothing if it doesn't answer soon.
_peeper_ask() {
  local name rest
  set -- "${1/#\~\//$HOME/}" "$2" --no-retry --timeout 150
  if [[ -n $peeper_socket ]]; then set -- "$@" -s "${peeper_socket/#\~\//$HOME/}"; fi
  {
    read -r name rest
    while read -r name rest; do
      case $name in
        \[*\])
          [[ $2 == names ]] || continue
          name=${name#\[}
          name=${name%\]} ;;
      esac
      case $name in '' | *[!A-Za-z0-9_.-]*) continue ;; esac
      printf '%s\n' "$name"
    done
  } < <("$1" "${@:3}" ls 2>/dev/null </dev/null)
}

# The messages that the server lists of the kind that the command sends.
_peeper_messages() {
  local kind name rest wanted=call
  case $peeper_command in cast) wanted=cast ;; send) wanted=info ;; esac
  set -- "${1/#\~\//$HOME/}" --no-retry --timeout 500
  if [[ -n $peeper_socket ]]; then set -- "$@" -s "${peeper_socket/#\~\//$HOME/}"; fi
  while read -r kind name rest; do
    [[ $kind == "$wanted" ]] || continue
    case $name in '' | *[!A-Za-z0-9_.:-]*) continue ;; esac
    printf '%s\n' "$name"
  done < <("$@" messages -- "$peeper_server" 2>/dev/null </dev/null)
}

)sh";

inline constexpr const char* kBashText = R"sh(_peeper() {
  local IFS=$' \t\n' REPLY peeper_kind peeper_command peeper_server peeper_socket peeper_plain
  local i word current prefix='' words=() offered=()
  COMPREPLY=()
  # Bash takes --option=value apart.
  for ((i = 1; i <= COMP_CWORD; i++)); do
    word=${COMP_WORDS[i]}
    if ((${#words[@]} > 0)) && [[ ${words[-1]} == --* ]] &&
      [[ $word == = || ${words[-1]} == *= ]]; then
      words[-1]+=$word
    else
      words+=("$word")
    fi
  done
  current=${words[-1]}
  unset 'words[-1]'
  _peeper_look "${words[@]}"
  if [[ -z $peeper_plain && $current == --*=* ]]; then
    _peeper_value "$peeper_command:${current%%=*}" || return 0
    peeper_kind=$REPLY
    [[ $COMP_WORDBREAKS == *=* ]] || prefix=${current%%=*}=
    current=${current#*=}
  elif [[ -z $peeper_plain && $current == -* ]]; then
    _peeper_options "$peeper_command"
    peeper_kind="words $REPLY $_peeper_global"
  fi
  case $peeper_kind in
    commands) offered=($_peeper_commands) ;;
    signals) offered=($_peeper_signals) ;;
    words\ *) offered=(${peeper_kind#words }) ;;
    servers | names) mapfile -t offered < <(_peeper_ask "${COMP_WORDS[0]}" "$peeper_kind") ;;
    messages) mapfile -t offered < <(_peeper_messages "${COMP_WORDS[0]}") ;;
    files)
      compopt -o filenames 2>/dev/null
      mapfile -t offered < <(compgen -f -- "$current") ;;
  esac
  for word in "${offered[@]}"; do
    [[ $word == "$current"* ]] && COMPREPLY+=("$prefix$word")
  done
  return 0
}
complete -F _peeper peeper
)sh";

inline constexpr const char* kZshText = R"sh(_peeper() {
  local REPLY peeper_kind peeper_command peeper_server peeper_socket peeper_plain program=$words[1]
  _peeper_look "${(@Q)words[2,CURRENT-1]}"
  if [[ -z $peeper_plain && $PREFIX == --*=* ]]; then
    _peeper_value "$peeper_command:${PREFIX%%=*}" || return 1
    peeper_kind=$REPLY
    compset -P '*='
  elif [[ -z $peeper_plain && $PREFIX == -* ]]; then
    _peeper_options "$peeper_command"
    peeper_kind="words $REPLY $_peeper_global"
  fi
  case $peeper_kind in
    commands) _describe command _peeper_described ;;
    signals) compadd -- ${=_peeper_signals} ;;
    words\ *) compadd -- ${=peeper_kind#words } ;;
    servers | names) compadd -- ${(f)"$(_peeper_ask "$program" "$peeper_kind")"} ;;
    messages) compadd -- ${(f)"$(_peeper_messages "$program")"} ;;
    files) _files ;;
    *) return 1 ;;
  esac
}
# Read as a function's file, from a directory of fpath, or by source.
if [[ ${funcstack[1]} == _peeper ]]; then
  _peeper "$@"
else
  compdef _peeper peeper
fi
)sh";

}  // namespace peeper::cli
