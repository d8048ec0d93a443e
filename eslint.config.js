// One rule: all others are in `.oxlintrc.json`, whose linter does not have it.
import tseslint from 'typescript-eslint';

export default tseslint.config(
  { ignores: ['dist/', 'node_modules/', 'eslint.config.js'] },
  {
    files: ['**/*.ts', '**/*.tsx'],
    // What is switched off for a line is said to the other linter, which tells of what is said in vain.
    linterOptions: { reportUnusedDisableDirectives: 'off' },
    languageOptions: {
      parser: tseslint.parser,
      parserOptions: {
        project: ['./tsconfig.json', './web/tsconfig.json'],
        tsconfigRootDir: import.meta.dirname,
      },
    },
    plugins: { '@typescript-eslint': tseslint.plugin },
    rules: { '@typescript-eslint/no-unsafe-class-instance-assignment': 'error' },
  },
);
